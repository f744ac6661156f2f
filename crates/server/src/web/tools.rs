//! Keys for tools that only take a base URL and a key: made by hand, with the limits of any app, and
//! shown once.

use aipassport_domain::{
    audit::{AuditEvent, Happened},
    grant::Grant,
};
use aipassport_store::{AppKey, ProviderCredential, StoreError};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;

use super::{
    app_words,
    apps::{base_url, own_grant},
    consent::{Presets, presets},
    error::PageError,
    form::{Fields, SignedForm, Visitor},
    page::{Frame, Section, page},
    parts::FieldError,
    sign_in, used_up,
};
use crate::{
    app::App,
    browser_session::SignedIn,
    entries::{NewTool, fresh_app_key, new_app_key},
};

#[derive(Template)]
#[template(path = "tool.html")]
pub(super) struct ToolPage {
    pub(super) frame: Frame,
    pub(super) errors: Vec<FieldError>,
    pub(super) name: String,
    pub(super) presets: Presets,
    pub(super) stop_when_used_up: bool,
    pub(super) has_key: bool,
}

#[derive(Template)]
#[template(path = "tool_key.html")]
pub(super) struct ToolKeyPage {
    pub(super) frame: Frame,
    pub(super) name: String,
    pub(super) grant_id: String,
    /// Shown this once.
    pub(super) key: String,
    /// (provider, base URL).
    pub(super) base_urls: Vec<(String, String)>,
}

pub(super) async fn show(State(app): State<App>, Visitor(signed_in): Visitor) -> Result<Response, PageError> {
    tool_page(&app, &signed_in, None, Vec::new()).await
}

pub(super) async fn make(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let SignedForm { signed_in, fields, .. } = form;
    let keys = keys_of(&app, &signed_in).await?;
    let prices = app.prices_of(&signed_in.user.id).await?;
    let access = match presets::read(&fields, &keys, &prices) {
        Ok(access) => access,
        Err(errors) => return tool_page(&app, &signed_in, Some(&fields), errors).await,
    };
    let entered = NewTool {
        name: fields.text("name").to_owned(),
        authorization_details: access,
        revoke_when_used_up: used_up::is_chosen(&fields),
    };
    let tool = match new_app_key(app.making(), &app.config.grants, &prices, entered) {
        Ok(tool) => tool,
        Err(refused) => {
            let field = if refused.field == "name" {
                "app-name"
            } else {
                "provider"
            };
            let errors = vec![FieldError::new(field, refused.text)];
            return tool_page(&app, &signed_in, Some(&fields), errors).await;
        }
    };
    let event = AuditEvent {
        grant_id: Some(tool.grant_id.clone()),
        ..sign_in::event(&app, &signed_in.user, tool.made.clone())
    };
    let user_id = &signed_in.user.id;
    let grant = app
        .store
        .make_app_key(&tool.stored, tool.for_user(user_id), &event)
        .await?;
    let grant = grant.ok_or(PageError::NotFound)?;
    key_page(&app, &signed_in, &grant, tool.key.expose())
}

pub(super) async fn replace(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let signed_in = form.signed_in;
    let grant = own_grant(&app, &signed_in, &id).await?;
    let old = key_of(&app, &signed_in, &grant).await?.ok_or(PageError::NotFound)?;
    let (key, stored) = fresh_app_key(app.making());
    let replaced = Happened::AppKeyReplaced {
        app_key_id: stored.id.clone(),
        replaced: old.id,
    };
    let event = AuditEvent {
        grant_id: Some(grant.id.clone()),
        ..sign_in::event(&app, &signed_in.user, replaced)
    };
    if !app.store.replace_app_key(&grant.id, &stored, &event).await? {
        return Err(PageError::NotFound);
    }
    app.gateway.grant_changed(&grant.id);
    key_page(&app, &signed_in, &grant, key.expose())
}

/// The key that stands for a grant, if it was made by hand.
pub(super) async fn key_of(app: &App, signed_in: &SignedIn, grant: &Grant) -> Result<Option<AppKey>, StoreError> {
    let keys = app.store.app_keys_of(&app.tenant_id, &signed_in.user.id).await?;
    Ok(keys.into_iter().find(|key| key.grant_id == grant.id))
}

async fn keys_of(app: &App, signed_in: &SignedIn) -> Result<Vec<ProviderCredential>, StoreError> {
    app.store.credentials_of(&app.tenant_id, &signed_in.user.id).await
}

async fn tool_page(
    app: &App,
    signed_in: &SignedIn,
    entered: Option<&Fields>,
    errors: Vec<FieldError>,
) -> Result<Response, PageError> {
    let keys = keys_of(app, signed_in).await?;
    let prices = app.prices_of(&signed_in.user.id).await?;
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let tool = ToolPage {
        frame: Frame::inside(app, signed_in, Section::Apps),
        errors,
        name: entered.map_or_else(String::new, |fields| fields.text("name").to_owned()),
        presets: presets::shown(&keys, &prices, entered),
        stop_when_used_up: entered.is_some_and(used_up::is_chosen),
        has_key: !keys.is_empty(),
    };
    page(status, &tool.frame, &tool)
}

fn key_page(app: &App, signed_in: &SignedIn, grant: &Grant, key: &str) -> Result<Response, PageError> {
    let providers = grant.authorization_details.iter();
    let base_urls = providers.map(|access| base_url(app, &access.provider));
    let made = ToolKeyPage {
        frame: Frame::inside(app, signed_in, Section::Apps),
        name: app_words::name(&grant.client_name),
        grant_id: grant.id.to_string(),
        key: key.to_owned(),
        base_urls: base_urls.collect(),
    };
    page(StatusCode::OK, &made.frame, &made)
}
