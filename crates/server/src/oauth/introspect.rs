//! Introspection (RFC 7662): whether a token of the asking client is in force, and what is left.
//!
//! Section 2.1 wants every caller authorized, or tokens could be guessed at here; a public client
//! has nothing to authenticate with, so it is refused, and asks `/passport/self` with its token. A
//! token of another client is as inactive as one that never was.

use aipassport_domain::{
    authorization_details::AiAccess,
    client::{Client, ClientAuthentication},
    ids::{ClientId, GrantId},
    time::Timestamp,
};
use aipassport_store::StoreError;
use axum::{Json, body::Body, extract::State, response::Response};
use http::Request;
use serde::Serialize;
use serde_json::json;

use super::{OAuthError, answer::no_store, client_authentication::authenticated};
use crate::{
    app::App,
    grant_view::{GrantView, LimitView},
};

pub(super) async fn introspect(State(app): State<App>, request: Request<Body>) -> Result<Response, OAuthError> {
    let (client, parameters) = authenticated(&app, request).await?;
    if client.authentication == ClientAuthentication::None {
        return Err(OAuthError::InvalidClient);
    }
    let token = parameters.required("token")?;

    let now = app.clock.now();
    let worth = worth(&app, &client, token, now).await.map_err(OAuthError::internal)?;
    Ok(match worth {
        Some(worth) => no_store(Json(worth)),
        None => no_store(Json(json!({"active": false}))),
    })
}

async fn worth(app: &App, client: &Client, token: &str, now: Timestamp) -> Result<Option<TokenInForce>, StoreError> {
    // `token_type_hint` may be wrong (section 2.1); the token itself says what it is.
    let token = match access_token(app, client, token, now) {
        Some(token) => Some(token),
        None => refresh_token(app, client, token, now).await?,
    };
    match token {
        Some(token) => in_force(app, token, now).await,
        None => Ok(None),
    }
}

/// RFC 7662, section 2.2, and RFC 9396, section 9.2, for a token in force.
#[derive(Serialize)]
struct TokenInForce {
    active: bool,
    iss: String,
    sub: String,
    client_id: ClientId,
    scope: &'static str,
    grant_id: GrantId,
    authorization_details: Vec<AiAccess>,
    exp: i64,
    iat: i64,
    /// Where each of the grant's own limits stands, as in `/passport/self`.
    limits: Vec<LimitView>,
    #[serde(flatten)]
    access_token: Option<OfAccessToken>,
}

/// What only an access token has.
#[derive(Serialize)]
struct OfAccessToken {
    token_type: &'static str,
    aud: String,
    jti: String,
}

/// A token of the asking client's own, whose grant has not been looked at.
struct OwnToken {
    grant_id: GrantId,
    exp: i64,
    iat: i64,
    access_token: Option<OfAccessToken>,
}

fn access_token(app: &App, client: &Client, token: &str, now: Timestamp) -> Option<OwnToken> {
    let claims = app.signing.verify(token, now, &app.config.public_url).ok()?;
    (claims.client_id == client.id).then_some(OwnToken {
        grant_id: claims.grant_id,
        exp: claims.exp,
        iat: claims.iat,
        access_token: Some(OfAccessToken {
            token_type: "Bearer",
            aud: claims.aud,
            jti: claims.jti,
        }),
    })
}

async fn refresh_token(
    app: &App,
    client: &Client,
    token: &str,
    now: Timestamp,
) -> Result<Option<OwnToken>, StoreError> {
    let found = app
        .store
        .refresh_token(&app.tenant_id, &app.vault.hash(token))
        .await?
        .filter(|token| token.client_id == client.id && token.rotated_at.is_none() && token.revoked_at.is_none())
        .filter(|token| now < token.expires_at);
    Ok(found.map(|token| OwnToken {
        grant_id: token.grant_id,
        exp: token.expires_at.seconds(),
        iat: token.created_at.seconds(),
        access_token: None,
    }))
}

/// What a token is worth, if a call with it would get as far as its limits.
async fn in_force(app: &App, token: OwnToken, now: Timestamp) -> Result<Option<TokenInForce>, StoreError> {
    let live = app.store.live_grant(&app.tenant_id, &token.grant_id).await?;
    let is_revoked = |jti: &String| token.access_token.as_ref().is_some_and(|token| token.jti == *jti);
    let grant = live
        .filter(|live| live.client_disabled_at.is_none() && live.user_suspended_at.is_none())
        .filter(|live| !live.revoked_jtis.iter().any(is_revoked))
        .map(|live| live.grant)
        .filter(|grant| grant.check_active(now).is_ok());
    let Some(grant) = grant else {
        return Ok(None);
    };
    let grant = GrantView::load(&app.store, grant, now).await?;
    Ok(Some(TokenInForce {
        active: true,
        iss: app.config.public_url.clone(),
        sub: app.vault.pairwise_subject(&grant.user_id, &grant.client_id),
        client_id: grant.client_id,
        scope: "ai",
        grant_id: grant.id,
        authorization_details: grant.authorization_details,
        exp: token.exp.min(grant.expires_at.seconds()),
        iat: token.iat,
        limits: grant.limits,
        access_token: token.access_token,
    }))
}
