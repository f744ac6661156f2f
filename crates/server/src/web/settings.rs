//! Settings.
use super::{page::Frame, parts::FieldError};
use askama::Template;

#[derive(Template)]
#[template(path = "settings.html")]
pub(super) struct SettingsPage {
    pub(super) frame: Frame,
    pub(super) errors: Vec<FieldError>,
    pub(super) new_bearer: Option<String>,
    pub(super) user_name: String,
    pub(super) time_zone: String,
    pub(super) has_password: bool,
    pub(super) asks_password: bool,
}
