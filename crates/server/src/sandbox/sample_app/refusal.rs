//! Why the AI did not answer, in words for the person at the page.

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

/// A refusal, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) text: String,
    /// Where the person can change their mind.
    pub(super) raise_url: Option<String>,
    /// Whether the tokens are of no more use.
    pub(super) is_disconnected: bool,
    /// Whether the broker said by name what stands in the way, so that a fresh token will not help.
    is_named: bool,
}

impl Refusal {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            raise_url: None,
            is_disconnected: false,
            is_named: false,
        }
    }

    pub(super) fn is_final(&self) -> bool {
        self.is_named
    }

    /// The tokens do not work any more, and a refresh did not help.
    pub(super) fn disconnected() -> Self {
        Self {
            is_disconnected: true,
            ..Self::new("You stopped this app in AIPassport, or its time is over. Connect again to go on.")
        }
    }

    pub(super) fn unreachable(what: &str) -> Self {
        Self::new(format!("AIPassport could not be reached ({what}). Is it running?"))
    }

    /// Reads an answer that is no success: the provider's own error shape, with the broker's object
    /// `aipassport` beside it.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &Value) -> Self {
        let passport = body.get("aipassport").or_else(|| body.pointer("/error/aipassport"));
        let text_of = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let rule = text_of(passport.and_then(|passport| passport.get("rule"))).unwrap_or_default();
        let message = text_of(body.pointer("/error/message")).unwrap_or_else(|| status.to_string());
        let resets_at = text_of(passport.and_then(|passport| passport.get("resets_at")));
        let level = passport.and_then(|passport| passport.get("level"));
        let is_of_all_apps = level.and_then(Value::as_str) == Some("user");

        let text = match (status.as_u16(), rule.as_str()) {
            (_, "grant_revoked") => "You stopped this app in AIPassport. Connect again to go on.".to_owned(),
            (_, "grant_paused") => "You paused this app in AIPassport. Resume it there to go on.".to_owned(),
            (_, "price_rise") => {
                "What this app uses has become dearer. Look at the new price in AIPassport.".to_owned()
            }
            (_, "grant_expired") => "The time you gave this app is over. Connect again to go on.".to_owned(),
            (401, _) => return Self::disconnected(),
            (402, _) => {
                let until = resets_at
                    .as_deref()
                    .map_or(String::new(), |at| format!(" It starts anew {}.", moment(at)));
                if is_of_all_apps {
                    format!("What you let all your apps use together is used up.{until}")
                } else {
                    format!("The limit you set for this app is used up: {message}.{until}")
                }
            }
            (403, _) => format!("You did not allow this: {message}."),
            (429, _) => {
                let wait = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                let wait = wait.map_or(String::new(), |seconds| format!(" Try again in {seconds} s."));
                format!("That was too fast for the limits you set: {message}.{wait}")
            }
            _ => format!("The AI did not answer: {message}."),
        };
        Self {
            text,
            raise_url: text_of(passport.and_then(|passport| passport.get("raise_url"))),
            is_disconnected: matches!(rule.as_str(), "grant_revoked" | "grant_expired"),
            is_named: rule.starts_with("grant_") || rule == "price_rise",
        }
    }
}

/// A time as people read it: `2026-12-01T00:00:00Z` is `on 2026-12-01 at 00:00 UTC`.
fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16)) {
        (Some(date), Some(time)) => format!("on {date} at {time} UTC"),
        _ => rfc3339.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, rule: &str) -> Refusal {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        let passport = json!({"rule": rule, "resets_at": "2026-12-01T00:00:00Z", "raise_url": "http://broker/apps/1"});
        let body = json!({"error": {"message": "because"}, "aipassport": passport});
        Refusal::read(StatusCode::from_u16(status).unwrap(), &headers, &body)
    }

    #[test]
    fn a_refusal_says_what_happened_and_what_to_do() {
        let stopped = read(401, "grant_revoked");
        assert!(stopped.text.starts_with("You stopped this app") && stopped.is_disconnected);

        let used_up = read(402, "budget");
        assert!(
            used_up
                .text
                .ends_with("because. It starts anew on 2026-12-01 at 00:00 UTC.")
        );
        assert_eq!(used_up.raise_url.as_deref(), Some("http://broker/apps/1"));
        assert!(!used_up.is_disconnected);

        assert!(read(429, "rate").text.ends_with("Try again in 7 s."));
        assert!(read(403, "model").text.starts_with("You did not allow this"));
        assert!(read(401, "credential").is_disconnected);
        assert!(read(502, "upstream").text.starts_with("The AI did not answer"));
    }
}
