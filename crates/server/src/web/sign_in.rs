//! Sign in.
use super::page::Frame;
use askama::Template;

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage {
    pub(super) frame: Frame,
    pub(super) failure: Option<&'static str>,
    pub(super) return_to: String,
    pub(super) name: String,
}

#[derive(Template)]
#[template(path = "first_run.html")]
pub(super) struct FirstRunPage {
    pub(super) frame: Frame,
}
