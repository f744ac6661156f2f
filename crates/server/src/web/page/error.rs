//! What a page says when it cannot be shown. Causes are logged, not told.

use std::sync::Arc;

use aipassport_store::StoreError;
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;

use crate::web::{
    page::{Frame, page, see_other},
    parts::Stamp,
};
use crate::{app::App, browser_session::Forged};

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(in crate::web) enum PageError {
    /// Sign in, and come back here.
    #[error("nobody is signed in")]
    SignIn { return_to: String },
    /// It does not exist, or is somebody else's; nobody learns which.
    #[error("there is no such page")]
    NotFound,
    #[error(transparent)]
    Forged(#[from] Forged),
    #[error("the form cannot be read")]
    BadForm,
    #[error("too many tries")]
    TooManyTries,
    #[error("the store is unavailable")]
    Store(#[from] StoreError),
    #[error("internal error")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A page that says one thing and leads on.
#[derive(Template)]
#[template(path = "message.html")]
pub(in crate::web) struct Message {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) title: String,
    pub(in crate::web) stamp: Option<Stamp>,
    pub(in crate::web) paragraphs: Vec<String>,
    pub(in crate::web) onward: Option<Onward>,
    /// What the number is, and the number: small, at the end.
    pub(in crate::web) reference: Option<(&'static str, String)>,
}

pub(in crate::web) struct Onward {
    pub(in crate::web) href: String,
    pub(in crate::web) words: String,
    /// Whether the browser goes there without being asked.
    pub(in crate::web) by_itself: bool,
}

impl Message {
    pub(in crate::web) fn new(frame: Frame, title: impl Into<String>, paragraphs: &[&str]) -> Self {
        Self {
            frame,
            title: title.into(),
            stamp: None,
            paragraphs: paragraphs.iter().map(|&text| text.to_owned()).collect(),
            onward: Some(Onward {
                href: "/apps".to_owned(),
                words: "Go to your apps".to_owned(),
                by_itself: false,
            }),
            reference: None,
        }
    }

    pub(in crate::web) fn answer(&self, status: StatusCode) -> Result<Response, PageError> {
        page(status, &self.frame, self)
    }
}

impl IntoResponse for PageError {
    /// Carries the error out to [`draw`], which has what a page needs.
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Draws the page of an error that an inner route answered with.
pub(in crate::web) async fn draw(State(app): State<App>, response: Response) -> Response {
    match response.extensions().get::<Arc<PageError>>() {
        Some(error) => Arc::clone(error).answer(&app),
        None => response,
    }
}

impl PageError {
    fn answer(&self, app: &App) -> Response {
        if let Self::SignIn { return_to } = self {
            let query: String = form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
            return see_other(&format!("/login?return_to={query}"));
        }
        let request_id = app.random.id(app.clock.now());
        let (status, title, text) = self.words();
        if status.is_server_error() {
            tracing::error!(
                request.id = request_id,
                error = self as &dyn std::error::Error,
                "no page"
            );
        }
        let mut message = Message::new(Frame::outside(app), title, &[text]);
        message.reference = Some(("If you ask for help, give this number:", request_id));
        message.answer(status).unwrap_or_else(|_| status.into_response())
    }

    fn words(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::SignIn { .. } => (StatusCode::UNAUTHORIZED, "Sign in first", ""),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is nothing here",
                "The page does not exist, or it belongs to another account.",
            ),
            Self::Forged(_) => (
                StatusCode::FORBIDDEN,
                "That did not come from here",
                "Nothing was changed. Your browser sent a form that no page of this session made, perhaps because you \
                 signed in again since. Open the page anew and try once more.",
            ),
            Self::BadForm => (
                StatusCode::BAD_REQUEST,
                "That form cannot be read",
                "Nothing was changed. Go back and send it again.",
            ),
            Self::TooManyTries => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many tries",
                "Nothing was changed. Wait a few minutes, then try again.",
            ),
            Self::Store(_) | Self::Broken(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not available right now",
                "Nothing was changed, and nothing can be spent while this lasts. Try again in a moment.",
            ),
        }
    }
}
