//! Register.
use super::{page::Frame, parts::FieldError};
use askama::Template;

#[derive(Template)]
#[template(path = "register.html")]
pub(super) struct RegisterPage {
    pub(super) frame: Frame,
    pub(super) errors: Vec<FieldError>,
    pub(super) entered: Entered,
}

#[derive(Default)]
pub(super) struct Entered {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) redirect_uris: String,
    pub(super) is_confidential: bool,
}

#[derive(Template)]
#[template(path = "registered.html")]
pub(super) struct RegisteredPage {
    pub(super) frame: Frame,
    pub(super) public_url: String,
    pub(super) name: String,
    pub(super) client_id: String,
    pub(super) secret: Option<String>,
}
