//! Keys.
use super::{consent::Choosable, page::Frame, parts::FieldError};
use askama::Template;

#[derive(Template)]
#[template(path = "keys.html")]
pub(super) struct KeysPage {
    pub(super) frame: Frame,
    pub(super) errors: Vec<FieldError>,
    pub(super) keys: Vec<KeyRow>,
    pub(super) providers: Vec<Choosable>,
}

pub(super) struct KeyRow {
    pub(super) id: String,
    pub(super) provider_name: String,
    pub(super) last_four: String,
    pub(super) added: String,
    pub(super) last_used: String,
    pub(super) base_url: Option<String>,
    pub(super) refused: Option<String>,
    pub(super) used_by: String,
    pub(super) consequence: Option<String>,
}
