//! What a translation leaves behind: reported where it changes little, refused where it changes
//! what is asked.

use std::borrow::Cow;

use super::raw::{Members, Raw, not_carried};
use crate::request::ReadError;

/// The names of members that do not reach the provider, each once, in the order in which they were
/// lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost(Vec<Cow<'static, str>>);

/// A longer name, or one with other characters, does not go into a header.
const LONGEST_NAME: usize = 64;

impl Lost {
    pub fn names(&self) -> &[Cow<'static, str>] {
        &self.0
    }

    pub(crate) fn report(&mut self, name: impl Into<Cow<'static, str>>) {
        let name = name.into();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.len() <= LONGEST_NAME && name.bytes().all(is_plain) && !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// What is left of an object below `place`, of which nothing is carried.
    pub(crate) fn report_rest(&mut self, place: &str, members: Members<'_>) {
        for (name, _) in members.rest() {
            self.report(format!("{place}.{name}"));
        }
    }

    /// Decides on the members of a chat that the provider has no equal for.
    pub(crate) fn settle(&mut self, others: Members<'_>) -> Result<(), ReadError> {
        self.settle_by(others, fate)
    }

    pub(crate) fn settle_by(&mut self, others: Members<'_>, fate: fn(&str, Raw<'_>) -> Fate) -> Result<(), ReadError> {
        for (name, value) in others.rest() {
            match fate(&name, value) {
                Fate::Nothing => {}
                Fate::Reported => self.report(name),
                Fate::Refused(reason) => return Err(not_carried(name, reason)),
            }
        }
        Ok(())
    }
}

/// What becomes of a member that the provider has no equal for.
pub(crate) enum Fate {
    /// The value says what would be so anyway.
    Nothing,
    Reported,
    Refused(&'static str),
}

pub(crate) const NOT_KNOWN: Fate = Fate::Refused("it is not known here, so neither is what its loss would change");

/// Of a chat.
fn fate(name: &str, value: Raw<'_>) -> Fate {
    let is_zero = value.number("").is_ok_and(|number| number == 0.0);
    let is_said_anyway = match name {
        "background" | "store" | "logprobs" => value.as_str() == "false",
        "frequency_penalty" | "presence_penalty" | "top_logprobs" => is_zero,
        "service_tier" => matches!(value.as_str(), "\"auto\"" | "\"default\""),
        "n" => value.as_str() == "1",
        "include" => value.as_str() == "[]",
        "logit_bias" | "metadata" => value.as_str() == "{}",
        "truncation" => value.as_str() == "\"disabled\"",
        "modalities" => is_text_alone(value),
        _ => false,
    };
    if is_said_anyway {
        return Fate::Nothing;
    }
    match name {
        "frequency_penalty"
        | "include"
        | "max_tool_calls"
        | "metadata"
        | "prediction"
        | "presence_penalty"
        | "prompt_cache_key"
        | "prompt_cache_options"
        | "prompt_cache_retention"
        | "safety_identifier"
        | "seed"
        | "service_tier"
        | "store"
        | "temperature"
        | "top_p"
        | "truncation"
        | "user"
        | "verbosity" => Fate::Reported,
        "n" => Fate::Refused("this provider gives one answer at a time"),
        "logprobs" | "top_logprobs" => Fate::Refused("this provider does not tell probabilities"),
        "logit_bias" => Fate::Refused("this provider's tokens are others"),
        "modalities" | "audio" => Fate::Refused("this provider answers in text"),
        "background" | "conversation" | "previous_response_id" | "prompt" => {
            Fate::Refused("nothing is kept at this provider")
        }
        "web_search_options" => Fate::Refused("this provider searches by tools of its own"),
        "moderation" => Fate::Refused("this provider does not moderate on request"),
        "functions" | "function_call" => Fate::Refused("send tools instead"),
        _ => NOT_KNOWN,
    }
}

fn is_text_alone(modalities: Raw<'_>) -> bool {
    let items = modalities.items("modalities").unwrap_or_default();
    items.iter().all(|item| item.as_str() == "\"text\"")
}
