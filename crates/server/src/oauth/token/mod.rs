//! The token endpoint (RFC 6749, section 3.2): codes and refresh tokens in, access tokens out.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    authorization_details::AiAccess,
    client::Client,
    grant::Grant,
    ids::GrantId,
    secret::Secret,
    time::Timestamp,
};
use aipassport_store::NewRefreshToken;
use axum::{Json, body::Body, extract::State, response::Response};
use http::Request;
use serde_json::{Value, json};

use super::{
    OAuthError,
    answer::no_store,
    asked::{authorization_details, check_scope},
    client_authentication::authenticated,
    parameters::Parameters,
};
use crate::{app::App, signing::issue_access_token};

mod authorization_code;
mod refresh_token;

pub(super) async fn token(State(app): State<App>, request: Request<Body>) -> Result<Response, OAuthError> {
    let (client, parameters) = authenticated(&app, request).await?;
    check_scope(&parameters)?;
    let answer = match parameters.required("grant_type")? {
        "authorization_code" => authorization_code::redeem(&app, &client, &parameters).await?,
        "refresh_token" => refresh_token::rotate(&app, &client, &parameters).await?,
        _ => return Err(OAuthError::UnsupportedGrantType),
    };
    Ok(no_store(Json(answer)))
}

/// A refresh token about to be handed out, and what is stored of it.
fn new_refresh_token(app: &App, now: Timestamp) -> (Secret, NewRefreshToken) {
    let token = app.random.secret("aip_rt_");
    let new = NewRefreshToken {
        hash: app.vault.hash(token.expose()),
        expires_at: now.plus_seconds(app.config.tokens.refresh_idle_seconds),
    };
    (token, new)
}

/// RFC 6749, section 5.1, and RFC 9396, section 7: what was granted is said, not what was asked.
fn answer(
    app: &App,
    grant: &Grant,
    audience: String,
    refresh_token: &Secret,
    now: Timestamp,
) -> Result<Value, OAuthError> {
    let access_token = issue_access_token(app, grant, audience, now).map_err(OAuthError::internal)?;
    Ok(json!({
        "access_token": access_token.token,
        "token_type": "Bearer",
        "expires_in": access_token.lifetime_seconds(),
        "refresh_token": refresh_token.expose(),
        "scope": "ai",
        "authorization_details": grant.authorization_details,
        "grant_id": grant.id,
    }))
}

fn tokens_issued(app: &App, client: &Client, grant_id: &GrantId, now: Timestamp) -> AuditEvent {
    AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: now,
        actor: Actor::Client(client.id.clone()),
        user_id: None,
        grant_id: Some(grant_id.clone()),
        what: Happened::TokensIssued {
            client_id: client.id.clone(),
        },
    }
}

/// Refuses to issue for other details than were granted (RFC 9396, section 6.1).
///
/// Wider is not the client's to ask. Narrower is refused as well: what counts at the gateway is the
/// grant, so that a token which said less would be believed to be less than it is.
fn check_details(parameters: &Parameters, granted: &[AiAccess]) -> Result<(), OAuthError> {
    let asked = authorization_details(parameters)?;
    if asked.is_empty() || asked == granted {
        return Ok(());
    }
    Err(OAuthError::InvalidAuthorizationDetails(
        "here authorization_details is left out, or exactly what was granted; ask for less when asking the user"
            .to_owned(),
    ))
}
