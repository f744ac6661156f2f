//! Introspection (RFC 7662): whether a token of the asking client is in force, and what is left.
//!
//! Section 2.1 wants every caller authorized, or tokens could be guessed at here; a public client
//! has nothing to authenticate with, so it is refused, and asks `/passport/self` with its token. A
//! token of another client is as inactive as one that never was.

use aipassport_domain::{
    authorization_details::AiAccess,
    client::{Client, ClientAuthentication},
    grant::Grant,
    ids::{ClientId, GrantId},
    time::Timestamp,
};
use axum::{Json, body::Body, extract::State, response::Response};
use http::Request;
use serde::Serialize;
use serde_json::json;

use super::{OAuthError, answer::no_store, client_authentication::authenticate, parameters::Parameters};
use crate::app::App;

pub(super) async fn introspect(State(app): State<App>, request: Request<Body>) -> Result<Response, OAuthError> {
    let headers = request.headers().clone();
    let parameters = Parameters::of_form(request).await?;
    let client = authenticate(&app, &headers, &parameters).await?;
    if client.authentication == ClientAuthentication::None {
        return Err(OAuthError::InvalidClient);
    }
    let token = parameters.required("token")?;

    let now = app.clock.now();
    let found = match access_token(&app, &client, token, now).await? {
        Some(found) => Some(found),
        None => refresh_token(&app, &client, token, now).await?,
    };
    Ok(match found {
        Some(active) => no_store(Json(active)),
        None => no_store(Json(json!({"active": false}))),
    })
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

async fn access_token(
    app: &App,
    client: &Client,
    token: &str,
    now: Timestamp,
) -> Result<Option<TokenInForce>, OAuthError> {
    let Ok(claims) = app.signing.verify(token, now, &app.config.public_url) else {
        return Ok(None);
    };
    if claims.client_id != client.id {
        return Ok(None);
    }
    let grant = live_grant(app, &claims.grant_id, Some(&claims.jti), now).await?;
    Ok(grant.map(|grant| TokenInForce {
        access_token: Some(OfAccessToken {
            token_type: "Bearer",
            aud: claims.aud,
            jti: claims.jti,
        }),
        ..describe(app, grant, claims.exp, claims.iat)
    }))
}

async fn refresh_token(
    app: &App,
    client: &Client,
    token: &str,
    now: Timestamp,
) -> Result<Option<TokenInForce>, OAuthError> {
    let found = app
        .store
        .refresh_token(&app.tenant_id, &app.vault.hash(token))
        .await
        .map_err(OAuthError::internal)?
        .filter(|token| token.client_id == client.id && token.rotated_at.is_none() && token.revoked_at.is_none())
        .filter(|token| now < token.expires_at);
    let Some(token) = found else {
        return Ok(None);
    };
    let grant = live_grant(app, &token.grant_id, None, now).await?;
    Ok(grant.map(|grant| {
        let expires_at = token.expires_at.min(grant.expires_at);
        describe(app, grant, expires_at.seconds(), token.created_at.seconds())
    }))
}

/// The grant, if a call with it would get as far as its limits.
async fn live_grant(
    app: &App,
    grant_id: &GrantId,
    jti: Option<&str>,
    now: Timestamp,
) -> Result<Option<Grant>, OAuthError> {
    let live = app
        .store
        .live_grant(&app.tenant_id, grant_id)
        .await
        .map_err(OAuthError::internal)?;
    Ok(live
        .filter(|live| live.client_disabled_at.is_none() && live.user_suspended_at.is_none())
        .filter(|live| jti.is_none_or(|jti| !live.revoked_jtis.iter().any(|revoked| revoked == jti)))
        .map(|live| live.grant)
        .filter(|grant| grant.check_active(now).is_ok()))
}

fn describe(app: &App, grant: Grant, exp: i64, iat: i64) -> TokenInForce {
    TokenInForce {
        active: true,
        iss: app.config.public_url.clone(),
        sub: app.vault.pairwise_subject(&grant.user_id, &grant.client_id),
        client_id: grant.client_id,
        scope: "ai",
        grant_id: grant.id,
        authorization_details: grant.authorization_details,
        exp,
        iat,
        access_token: None,
    }
}
