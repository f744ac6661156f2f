//! What the consent page shows. `terms.rs` fills it in, and reads the form it becomes.

use askama::Template;

use super::super::{
    page::Frame,
    parts::{AppFace, FieldError},
};

#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct ConsentPage {
    pub(super) frame: Frame,
    pub(super) request_id: String,
    /// The digest of what is shown, and the proof that this session was shown it.
    pub(super) digest: String,
    pub(super) ticket: String,
    pub(super) app: AppFace,
    pub(super) warnings: Vec<String>,
    /// `OpenAI account`, `OpenAI and Anthropic accounts`.
    pub(super) accounts_sentence: String,
    /// The app's own words.
    pub(super) purpose: Option<String>,
    pub(super) errors: Vec<FieldError>,
    /// For a client that left everything to the user; else there are `accounts`.
    pub(super) presets: Option<Presets>,
    pub(super) accounts: Vec<AccountTerms>,
    /// Whether it is stopped when the money is used up, where that can be.
    pub(super) stop_when_used_up: Option<bool>,
    pub(super) until: Vec<Choosable>,
    pub(super) more_sentence: String,
    pub(super) more_open: bool,
    pub(super) can_allow: bool,
    /// The host that learns the answer.
    pub(super) answer_to: String,
    pub(super) raw_request: String,
}

/// What is asked of one account, with every term as it can be lowered.
#[derive(Clone, Debug)]
pub(super) struct AccountTerms {
    pub(super) provider: String,
    pub(super) provider_name: String,
    pub(super) key_hint: &'static str,
    pub(super) has_key: bool,
    /// Where several accounts are asked for, each can be left out.
    pub(super) include: Option<Tick>,
    pub(super) capabilities: Vec<Tick>,
    /// Features that reach further; off until switched on.
    pub(super) features: Vec<Tick>,
    pub(super) models_sentence: String,
    pub(super) models_open: bool,
    pub(super) models: Vec<Tick>,
    /// What the user has named, where only the user can name models.
    pub(super) names_models: Option<String>,
    pub(super) future: Vec<Tick>,
    pub(super) budgets: Vec<BudgetField>,
    pub(super) more: Vec<NumberField>,
    /// Features that a plain chat needs; on unless switched off.
    pub(super) switches: Vec<Tick>,
    pub(super) capability_field: String,
    pub(super) model_field: String,
}

/// A switch, or one of several things to choose from.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Tick {
    pub(in crate::web) value: String,
    pub(in crate::web) words: String,
    pub(in crate::web) hint: String,
    pub(in crate::web) is_on: bool,
    /// Cannot be switched on here.
    pub(in crate::web) is_off_for_good: bool,
}

#[derive(Clone, Debug)]
pub(super) struct BudgetField {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) per: String,
    /// As typed; empty while one of the presets is picked.
    pub(super) amount: String,
    pub(super) presets: Vec<Tick>,
    pub(super) estimate: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct NumberField {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) words: String,
    pub(super) value: String,
    pub(super) per: String,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Choosable {
    pub(in super::super) value: String,
    pub(in super::super) words: String,
    pub(in super::super) is_selected: bool,
}

#[derive(Clone, Debug)]
pub(in crate::web) struct Presets {
    pub(in crate::web) sizes: Vec<Tick>,
    pub(in crate::web) providers: Vec<Tick>,
}
