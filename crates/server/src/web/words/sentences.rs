//! Audit events as sentences that a person reads.

use std::collections::HashMap;

use aipassport_domain::{
    audit::{Actor, AuditEvent, CallOutcome, Happened, KeyCheck, PauseReason, RevocationReason},
    authorization_details::AiAccess,
    ids::{ClientId, GrantId, ProviderId},
    ledger::{Amount, Level},
    money::Money,
    usage::TruthLabel,
};
use aipassport_store::{AccountOf, AlertRecord, LimitsOf};

use crate::web::{
    app_words, limit_words, prices, webhooks,
    words::{self, Dollars, WallClock},
};

/// What an event is about, to choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum About {
    Apps,
    Calls,
    Keys,
    Account,
}

impl About {
    pub(in crate::web) const ALL: [Self; 4] = [Self::Apps, Self::Calls, Self::Keys, Self::Account];

    pub(in crate::web) fn as_str(self) -> &'static str {
        match self {
            Self::Apps => "apps",
            Self::Calls => "calls",
            Self::Keys => "keys",
            Self::Account => "account",
        }
    }

    pub(in crate::web) fn words(self) -> &'static str {
        match self {
            Self::Apps => "What apps may do",
            Self::Calls => "Calls and money",
            Self::Keys => "Keys",
            Self::Account => "Signing in",
        }
    }

    pub(in crate::web) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|about| about.as_str() == text)
    }

    pub(in crate::web) fn of(what: &Happened) -> Self {
        match what {
            Happened::CallReserved { .. }
            | Happened::CallSettled { .. }
            | Happened::CallRefused { .. }
            | Happened::LimitNear { .. }
            | Happened::LimitReached { .. } => Self::Calls,
            Happened::CredentialAdded { .. }
            | Happened::CredentialRemoved { .. }
            | Happened::PriceSet { .. }
            | Happened::PriceRemoved { .. }
            | Happened::CredentialChecked { .. }
            | Happened::CredentialRefusedByProvider { .. }
            | Happened::CredentialEchoRedacted { .. } => Self::Keys,
            Happened::UserAdded { .. }
            | Happened::UserSuspended
            | Happened::UserResumed
            | Happened::PasswordChanged
            | Happened::TimeZoneChanged { .. }
            | Happened::SignedIn
            | Happened::SignInFailed { .. }
            | Happened::SignedOut
            | Happened::ApiTokenIssued
            | Happened::WebhookAdded { .. }
            | Happened::WebhookRemoved { .. }
            | Happened::WebhookSecretReplaced { .. }
            | Happened::WebhookTested { .. }
            | Happened::WebhookStopped { .. }
            | Happened::WebhookResumed { .. }
            | Happened::SigningKeyCreated { .. } => Self::Account,
            _ => Self::Apps,
        }
    }
}

/// What grants and clients are called.
pub(in crate::web) struct Names {
    pub(in crate::web) clients: HashMap<ClientId, String>,
    pub(in crate::web) grants: HashMap<GrantId, String>,
}

impl Names {
    pub(in crate::web) fn has_grant(&self, id: &GrantId) -> bool {
        self.grants.contains_key(id)
    }

    fn app(&self, event: &AuditEvent) -> String {
        let of_grant = event.grant_id.as_ref().and_then(|id| self.grants.get(id));
        of_grant.cloned().unwrap_or_else(|| "An app".to_owned())
    }

    fn client(&self, id: &ClientId) -> String {
        self.clients.get(id).cloned().unwrap_or_else(|| "An app".to_owned())
    }
}

pub(in crate::web) fn of(event: &AuditEvent, names: &Names, clock: &WallClock) -> String {
    match About::of(&event.what) {
        About::Calls => of_calls(event, names),
        About::Keys => of_keys(event),
        About::Account => of_account(event),
        About::Apps => of_apps(event, names, clock),
    }
}

fn who(event: &AuditEvent) -> &'static str {
    match event.actor {
        Actor::User(_) => "You",
        Actor::Client(_) => "The app",
        Actor::Operator => "The operator",
        Actor::Broker | Actor::Nobody => "AIPassport",
    }
}

fn of_account(event: &AuditEvent) -> String {
    match &event.what {
        Happened::UserAdded { .. } => "Your account was made.".to_owned(),
        Happened::UserSuspended => format!("{} suspended your account: apps and sign-ins were stopped.", who(event)),
        Happened::UserResumed => format!("{} ended the suspension of your account.", who(event)),
        Happened::PasswordChanged => format!("{} changed your password.", who(event)),
        Happened::TimeZoneChanged { time_zone } => {
            format!("{} set the clock of your limits to {time_zone}.", who(event))
        }
        Happened::SignedIn => "You signed in.".to_owned(),
        Happened::SignInFailed { .. } => "Somebody tried to sign in as you with a wrong password.".to_owned(),
        Happened::SignedOut => "You signed out.".to_owned(),
        Happened::ApiTokenIssued => format!("{} made an API bearer for your account.", who(event)),
        other => of_webhooks(event, other),
    }
}

fn of_webhooks(event: &AuditEvent, what: &Happened) -> String {
    let who = who(event);
    match what {
        Happened::WebhookAdded { host, .. } => format!("{who} had alerts sent to {host}."),
        Happened::WebhookRemoved { host, .. } => format!("{who} removed the webhook at {host}."),
        Happened::WebhookSecretReplaced { host, .. } => format!("{who} made a new secret for the webhook at {host}."),
        Happened::WebhookTested { host, .. } => format!("{who} sent a test to the webhook at {host}."),
        Happened::WebhookStopped { host, reason, .. } => {
            format!("Alerts are no longer sent to {host}: {}.", webhooks::why(*reason))
        }
        Happened::WebhookResumed { host, .. } => format!("A test arrived at {host}: alerts are sent there again."),
        other => other.kind(),
    }
}

fn of_keys(event: &AuditEvent) -> String {
    match &event.what {
        Happened::CredentialAdded {
            provider, last_four, ..
        } => format!(
            "{} added a key for {}{}.",
            who(event),
            words::provider(provider),
            ending(last_four)
        ),
        Happened::CredentialRemoved { provider, .. } => {
            format!("{} removed a key for {}.", who(event), words::provider(provider))
        }
        Happened::PriceSet { provider, model, price } => format!(
            "{} said what {} costs: {}.",
            who(event),
            model_of(provider, model.as_deref()),
            prices::in_words(price.terms)
        ),
        Happened::PriceRemoved { provider, model } => format!(
            "{} forgot the own price of {}.",
            who(event),
            model_of(provider, model.as_deref())
        ),
        Happened::CredentialChecked { provider, result, .. } => {
            let provider = words::provider(provider);
            match result {
                KeyCheck::Works => format!("{provider} was asked about your key, and accepts it."),
                KeyCheck::Refused => format!("{provider} was asked about your key, and does not accept it."),
                KeyCheck::Unclear => format!("{provider} was asked about your key, and did not say."),
                KeyCheck::NotReached => format!("{provider} was to be asked about your key, and could not be reached."),
            }
        }
        Happened::CredentialRefusedByProvider { provider } => {
            let provider = words::provider(provider);
            format!("{provider} refused your key: calls to it fail until you add a new one.")
        }
        Happened::CredentialEchoRedacted { provider } => {
            let provider = words::provider(provider);
            format!("{provider} sent your key back in an answer; it was cut out before the app saw it.")
        }
        other => other.kind(),
    }
}

fn model_of(provider: &ProviderId, model: Option<&str>) -> String {
    let provider = words::provider(provider);
    match model {
        Some(model) => format!("{} at {provider}", model_name(model)),
        None => format!("every model at {provider}"),
    }
}

fn ending(last_four: &str) -> String {
    if last_four.is_empty() {
        String::new()
    } else {
        format!(" ending in {last_four}")
    }
}

fn of_calls(event: &AuditEvent, names: &Names) -> String {
    let app = names.app(event);
    match &event.what {
        Happened::CallReserved { model, held, .. } => {
            format!(
                "{app} began a call to {}; {} was held for it.",
                model_name(model),
                Dollars(*held)
            )
        }
        Happened::CallSettled {
            cost, label, outcome, ..
        } => {
            let known = match label {
                TruthLabel::Reported => "as the provider reported".to_owned(),
                other => words::label(*other).to_owned(),
            };
            match outcome {
                CallOutcome::Completed => format!("{app} was charged {}, {known}.", Dollars(*cost)),
                CallOutcome::NotSent => format!("A call of {app} was not sent, and cost nothing."),
                other => format!(
                    "{app} was charged {}, {known}: {}.",
                    Dollars(*cost),
                    words::outcome(*other)
                ),
            }
        }
        Happened::CallRefused { rule, .. } => format!("A call of {app} was refused: {}.", rule_words(rule).0),
        Happened::LimitNear { level, rule, percent } => {
            let of = if rule == "budget" {
                "budget"
            } else {
                "number of requests"
            };
            format!("{} used {percent} % of the {of}.", used_by(*level, app))
        }
        Happened::LimitReached { level, rule } => {
            let (why, _) = limit_words::of(*level, rule).unwrap_or_else(|| rule_words(rule));
            format!("{} was stopped: {why}.", stopped_at(*level, &app))
        }
        other => other.kind(),
    }
}

/// Who it is that uses a limit of this level.
fn used_by(level: Level, app: String) -> String {
    match level {
        Level::Grant => app,
        Level::App => format!("{app} as a whole"),
        Level::User => "Your apps together".to_owned(),
        Level::Tenant => "Everybody here together".to_owned(),
    }
}

/// What is used of a limit, and by whom.
pub(in crate::web) fn of_alert(alert: &AlertRecord, names: &Names) -> String {
    let unknown = || "An app".to_owned();
    let who = match &alert.account {
        AccountOf::Grant(id, _) => names.grants.get(id).cloned().unwrap_or_else(unknown),
        AccountOf::Above(LimitsOf::App { client_id, .. }) => used_by(Level::App, names.client(client_id)),
        AccountOf::Above(of) => used_by(of.level(), String::new()),
    };
    let limit = match alert.limit {
        Amount::Money(money) => words::dollars(money),
        Amount::Count(count) => words::counted(count, "request"),
    };
    let limit = format!("{limit} {}", words::per(alert.window));
    let left_over = match (alert.limit.less(alert.used), alert.used) {
        (Amount::Money(Money::ZERO), _) | (_, Amount::Count(_)) => None,
        (_, Amount::Money(used)) => Some(words::dollars(used)),
    };
    match (alert.threshold, left_over) {
        (100, Some(used)) => {
            let (who, shared) = match &alert.account {
                AccountOf::Above(LimitsOf::User(_)) => ("Every app".to_owned(), " for all apps together"),
                AccountOf::Above(LimitsOf::Tenant) => ("Everybody here".to_owned(), " for all together"),
                _ => (who, ""),
            };
            format!(
                "{who} was stopped: {used} of the limit of {limit}{shared} are used, and a call needed more than is left."
            )
        }
        (100, None) => format!("{who} used up the limit of {limit}."),
        (percent, _) => format!("{who} used {percent} % of the limit of {limit}."),
    }
}

/// Who is stopped when a limit of this level is used up.
fn stopped_at(level: Level, app: &str) -> String {
    match level {
        Level::Grant | Level::App => app.to_owned(),
        Level::User => "Every app".to_owned(),
        Level::Tenant => "Everybody here".to_owned(),
    }
}

fn of_apps(event: &AuditEvent, names: &Names, clock: &WallClock) -> String {
    let app = names.app(event);
    match &event.what {
        Happened::ClientAdded { name, .. } => format!("{} registered {}.", who(event), app_words::name(name)),
        Happened::ClientDisabled { client_id } => format!("{} switched {} off.", who(event), names.client(client_id)),
        Happened::GrantRequested { client_id, .. } => {
            format!("{} asked to use your account.", names.client(client_id))
        }
        Happened::GrantApproved {
            client_id,
            authorization_details,
            expires_at,
            ..
        } => format!(
            "{} allowed {} to use your {} until {}.",
            who(event),
            names.client(client_id),
            accounts(authorization_details),
            clock.moment(*expires_at)
        ),
        Happened::GrantDenied { client_id, .. } => {
            format!("{} did not allow {}.", who(event), names.client(client_id))
        }
        Happened::AppKeyMade { name, .. } => format!("{} made a key for {}.", who(event), app_words::name(name)),
        Happened::AppKeyReplaced { .. } => format!("{} replaced the key of {app}; the old one is refused.", who(event)),
        Happened::GrantCreated { client_id } => format!("{} picked up what you allowed.", names.client(client_id)),
        Happened::GrantChanged { expires_at, .. } => format!(
            "{} changed the limits of {app}; it ends {}.",
            who(event),
            clock.moment(*expires_at)
        ),
        Happened::LimitsChanged {
            level,
            client_id,
            limits,
        } => {
            let of = client_id.as_ref().map(|id| used_by(*level, names.client(id)));
            let of = of.or_else(|| words::shared_by(*level)).unwrap_or(app);
            let is_removal = limits.as_object().is_some_and(serde_json::Map::is_empty);
            let did = if is_removal { "removed" } else { "changed" };
            format!("{} {did} the limits of {of}.", who(event))
        }
        Happened::GrantPaused { reason } => match reason {
            PauseReason::ByUser => format!("{} paused {app}.", who(event)),
            PauseReason::PriceRise => format!("{app} was paused: a model it uses has become much dearer."),
        },
        Happened::GrantResumed => format!("{} let {app} go on.", who(event)),
        Happened::GrantRevoked { reason } => stopped(&app, *reason),
        Happened::CodeReplayed { .. } | Happened::RefreshTokenReused { .. } => {
            format!("Somebody used a ticket of {app} twice, so everything it had was stopped.")
        }
        Happened::CodeFailed { client_id, is_burnt } => {
            let app = names.client(client_id);
            let after = if *is_burnt { " Its ticket is void now." } else { "" };
            format!("{app} could not prove that it is the one you allowed.{after}")
        }
        Happened::TokensIssued { .. } => format!("{app} got a new access token."),
        Happened::AccessTokenRevoked { .. } => format!("{app} gave an access token back."),
        other => other.kind(),
    }
}

fn stopped(app: &str, reason: RevocationReason) -> String {
    match reason {
        RevocationReason::ByUser => format!("You stopped {app}."),
        RevocationReason::ByOperator => format!("The operator stopped {app}."),
        RevocationReason::ByClient => format!("{app} gave back what you had allowed."),
        RevocationReason::CodeReplayed | RevocationReason::RefreshTokenReused => {
            format!("{app} was stopped, because somebody else may have had its tokens.")
        }
    }
}

fn accounts(details: &serde_json::Value) -> String {
    let read = aipassport_domain::authorization_details::parse(&details.to_string());
    let details: Vec<AiAccess> = read.unwrap_or_default();
    words::accounts(details.iter().map(|access| &access.provider))
}

/// A model's name is the app's word until it was checked.
pub(in crate::web) fn model_name(model: &str) -> String {
    app_words::clean(model, 80)
}

/// A rule that refused, and what would have let the call pass.
pub(in crate::web) fn rule_words(rule: &str) -> (&'static str, &'static str) {
    if let Some(words) = limit_words::of_counted(rule) {
        return words;
    }
    match rule {
        "budget" => (
            "what is left of its budget was too little",
            "It would pass after the budget begins anew, or if you raised it.",
        ),
        "requests" => (
            "its number of requests was used up",
            "It would pass after the count begins anew, or if you raised it.",
        ),
        "rate" => (
            "it sent too many requests in quick succession",
            "It would pass a little later.",
        ),
        "concurrency" => (
            "too many of its calls were under way at once",
            "It would pass once one of them ends.",
        ),
        "model" => (
            "not one of the models you allowed",
            "It would pass if you allowed that model; the app would have to ask again.",
        ),
        "capability" => (
            "not one of the things you allowed it to do",
            "It would pass if you allowed that; the app would have to ask again.",
        ),
        "feature" => (
            "it uses a tool you did not allow",
            "It would pass if you allowed that tool; the app would have to ask again.",
        ),
        "provider" => (
            "not one of the accounts you allowed",
            "It would pass if you allowed that account; the app would have to ask again.",
        ),
        "price_unknown" => (
            "the price of that model is not known, so no budget could hold it",
            "It would pass once the price is known here.",
        ),
        "grant_paused" => ("you had paused it", "It would pass if you resumed it."),
        "price_rise" => (
            "it had become much dearer, and waits for you",
            "It would pass if you allowed the new price.",
        ),
        "grant_revoked" => ("you had stopped it", "It would have to ask you again."),
        "grant_expired" => ("its time was over", "It would have to ask you again."),
        "grant_not_yet_valid" => ("its time had not come yet", "It would pass later."),
        _ => ("a rule did not allow it", "The app can tell which one."),
    }
}
