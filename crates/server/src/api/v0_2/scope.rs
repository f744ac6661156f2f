//! `scope`, the words in which 0.2 says what an app may do, and authorization details.

use aipassport_domain::{
    authorization_details::{self, AiAccess, Capability, ModelPattern},
    limits::Limits,
    money::Money,
    time::Period,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Read and written with the same names. What is missing is left to the user when an app asks, and
/// stays as it is when a user decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Scope {
    #[serde(default)]
    pub(super) provider: Option<String>,
    #[serde(default)]
    pub(super) models: Option<Vec<String>>,
    #[serde(default)]
    pub(super) capabilities: Option<Vec<Capability>>,
    /// For the grant's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_budget_cents: Option<u32>,
    /// For the grant's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_requests: Option<u32>,
    /// A minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rate_limit: Option<u32>,
}

impl Scope {
    /// What an app asks for with this scope.
    pub(super) fn asked(&self, reason: &str) -> Result<AiAccess, String> {
        let provider = self.provider.as_deref().ok_or("provider: Required")?;
        self.read(provider, Some(reason))
    }

    /// Whether it is `access` that this scope speaks of.
    pub(super) fn names(&self, access: &AiAccess) -> bool {
        self.provider.as_deref().map(registry_id) == Some(access.provider.as_str())
    }

    /// `current` with what this scope says in its place.
    pub(super) fn applied_to(&self, current: &AiAccess) -> Result<AiAccess, String> {
        let provider = current.provider.as_str();
        if self.provider.is_some() && !self.names(current) {
            return Err(format!("provider: it is {}", shown_provider(provider)));
        }
        let said = self.read(provider, None)?;
        let mut applied = current.clone();
        if self.models.is_some() {
            applied.models = said.models;
        }
        if self.capabilities.is_some() {
            applied.capabilities = said.capabilities;
        }
        applied.limits.budget.extend(said.limits.budget);
        applied.limits.requests.extend(said.limits.requests);
        applied.limits.rate.extend(said.limits.rate);
        Ok(applied)
    }

    /// Through the one reader of authorization details, so that both languages have the same rules.
    fn read(&self, provider: &str, reason: Option<&str>) -> Result<AiAccess, String> {
        let details = json!([{
            "type": authorization_details::TYPE,
            "provider": registry_id(provider),
            "models": self.models.as_deref().unwrap_or_default(),
            "capabilities": self.capabilities.as_deref().unwrap_or_default(),
            "purpose": reason,
        }]);
        let read = authorization_details::parse(&details.to_string()).map_err(|error| error.to_string())?;
        let mut access = read.into_iter().next().ok_or("provider: Required")?;
        access.limits = self.limits()?;
        Ok(access)
    }

    fn limits(&self) -> Result<Limits, String> {
        if self.rate_limit == Some(0) {
            return Err("rateLimit: at least 1".to_owned());
        }
        let for_life = |cents| (None, Money::from_cents(cents));
        Ok(Limits {
            budget: self.max_budget_cents.map(for_life).into_iter().collect(),
            requests: self.max_requests.map(|max| (None, max.into())).into_iter().collect(),
            rate: self
                .rate_limit
                .map(|rate| (Period::MINUTE, rate.into()))
                .into_iter()
                .collect(),
            ..Limits::default()
        })
    }

    /// The nearest that 0.2 can say of an access: the budget and cap for the grant's life, or else
    /// of the shortest window; a family of models as `prefix*`.
    pub(super) fn of(access: &AiAccess) -> Self {
        let limits = &access.limits;
        let model = |pattern: &ModelPattern| match pattern {
            ModelPattern::Exact(id) => id.clone(),
            ModelPattern::Prefix { prefix } => format!("{prefix}*"),
        };
        let at_most = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let cents = |budget: &Money| u32::try_from(budget.cents_rounded_up()).unwrap_or(u32::MAX);
        Self {
            provider: Some(shown_provider(access.provider.as_str()).to_owned()),
            models: Some(access.models.iter().map(model).collect()),
            capabilities: Some(access.capabilities.iter().copied().collect()),
            max_budget_cents: limits.budget.values().next().map(cents),
            max_requests: limits.requests.values().next().copied().map(at_most),
            rate_limit: limits.rate.get(&Period::MINUTE).copied().map(at_most),
        }
    }
}

/// 0.2 knew one provider by its company's name.
fn registry_id(provider: &str) -> &str {
    match provider {
        "google" => "gemini",
        other => other,
    }
}

fn shown_provider(registry_id: &str) -> &str {
    match registry_id {
        "gemini" => "google",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(json: &str) -> Scope {
        serde_json::from_str(json).unwrap()
    }

    const WHOLE: &str = r#"{"provider":"openai","models":["gpt-4o-mini"],"capabilities":["chat","code"],
        "maxBudgetCents":500,"maxRequests":20,"rateLimit":6}"#;

    #[test]
    fn a_scope_says_the_same_after_the_way_through_authorization_details() {
        let access = scope(WHOLE).asked("Summarise your notes").unwrap();

        assert_eq!(access.purpose.as_deref(), Some("Summarise your notes"));
        assert_eq!(access.limits.budget, [(None, Money::from_cents(500))].into());
        assert_eq!(Scope::of(&access), scope(WHOLE));
    }

    #[test]
    fn an_empty_model_list_is_the_users_to_fill_and_not_any_model() {
        let access = scope(r#"{"provider":"openai","models":[],"capabilities":[]}"#)
            .asked("x")
            .unwrap();

        assert!(access.models.is_open() && access.capabilities.is_open());
        assert!(!access.covers_model("gpt-4o-mini"));
    }

    #[test]
    fn google_is_gemini() {
        let access = scope(r#"{"provider":"google","models":["gemini-2.0-flash"]}"#)
            .asked("x")
            .unwrap();

        assert_eq!(access.provider.as_str(), "gemini");
        assert_eq!(Scope::of(&access).provider.as_deref(), Some("google"));
    }

    #[test]
    fn a_user_says_only_what_changes() {
        let asked = scope(WHOLE).asked("x").unwrap();

        let lowered = scope(r#"{"maxBudgetCents":100}"#).applied_to(&asked).unwrap();
        let raised = scope(r#"{"maxRequests":21}"#).applied_to(&asked).unwrap();

        assert_eq!(Scope::of(&lowered).max_budget_cents, Some(100));
        assert_eq!(Scope::of(&lowered).models, Scope::of(&asked).models);
        assert!(lowered.is_narrower(&asked) && !raised.is_narrower(&asked));
        assert!(scope(r#"{"provider":"anthropic"}"#).applied_to(&asked).is_err());
    }

    #[test]
    fn threat_56_a_model_is_a_plain_id() {
        for model in ["", "*", "a b", r"a\u0000", r"a\u202eb", r"gpt-4o-mini\n"] {
            let scope = scope(&format!(r#"{{"provider":"openai","models":["{model}"]}}"#));
            assert!(scope.asked("x").is_err(), "{model}");
        }
    }
}
