//! Registering an app, so that it can ask.

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;

use super::{
    app_words,
    error::PageError,
    form::{Fields, SignedForm, Visitor},
    page::{Frame, Section, page},
    parts::FieldError,
    sign_in,
};
use crate::{
    app::App,
    browser_session::SignedIn,
    entries::{NewClient, new_client},
};

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
    /// Shown this once.
    pub(super) secret: Option<String>,
}

pub(super) async fn show(State(app): State<App>, Visitor(signed_in): Visitor) -> Result<Response, PageError> {
    register_page(&app, &signed_in, Entered::default(), Vec::new())
}

pub(super) async fn register(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let SignedForm { signed_in, fields, .. } = form;
    let entered = Entered::read(&fields);
    let made = new_client(
        app.making(),
        NewClient {
            name: entered.name.clone(),
            address: Some(entered.address.clone()),
            redirect_uris: entered.redirect_uris.split_whitespace().map(str::to_owned).collect(),
            is_confidential: entered.is_confidential,
        },
    );
    let (client, secret, added) = match made {
        Ok(made) => made,
        Err(refused) => {
            let field = if refused.field == "name" {
                "app-name"
            } else {
                refused.field
            };
            let errors = vec![FieldError::new(field, refused.text)];
            return register_page(&app, &signed_in, entered, errors);
        }
    };
    app.store
        .add_client(&client, &sign_in::event(&app, &signed_in.user, added))
        .await?;
    let registered = RegisteredPage {
        frame: Frame::inside(&app, &signed_in, Section::Apps),
        public_url: app.config.public_url.clone(),
        name: app_words::name(&client.name),
        client_id: client.id.to_string(),
        secret: secret.map(|secret| secret.expose().to_owned()),
    };
    page(StatusCode::OK, &registered.frame, &registered)
}

impl Entered {
    fn read(fields: &Fields) -> Self {
        Self {
            name: fields.text("name").to_owned(),
            address: fields.text("address").to_owned(),
            redirect_uris: fields.text("redirect_uris").to_owned(),
            is_confidential: fields.has("kind", "confidential"),
        }
    }
}

fn register_page(
    app: &App,
    signed_in: &SignedIn,
    entered: Entered,
    errors: Vec<FieldError>,
) -> Result<Response, PageError> {
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let register = RegisterPage {
        frame: Frame::inside(app, signed_in, Section::Apps),
        errors,
        entered,
    };
    page(status, &register.frame, &register)
}
