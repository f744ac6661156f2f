//! Revocation (RFC 7009): an access token alone, or, with a refresh token, the whole grant.
//!
//! A public client revokes with its name alone, as section 2.1 has it: it must hold the token. The
//! answer is 200 whatever the token was, so that it says nothing about tokens of others.

use aipassport_domain::{
    access_token::AccessTokenClaims,
    audit::{Actor, AuditEvent, Happened, RevocationReason},
    client::Client,
    ids::GrantId,
    time::Timestamp,
};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};

use super::{OAuthError, answer::no_store, client_authentication::authenticated};
use crate::app::App;

pub(super) async fn revoke(State(app): State<App>, request: Request<Body>) -> Result<Response, OAuthError> {
    let (client, parameters) = authenticated(&app, request).await?;
    // `token_type_hint` may be wrong (section 2.1); the token itself says what it is.
    let token = parameters.required("token")?;

    let now = app.clock.now();
    if let Ok(claims) = app.signing.verify(token, now, &app.config.public_url) {
        if claims.client_id == client.id {
            revoke_access_token(&app, &client, &claims, now).await?;
        }
    } else {
        revoke_refresh_token(&app, &client, token, now).await?;
    }
    Ok(no_store(StatusCode::OK))
}

async fn revoke_access_token(
    app: &App,
    client: &Client,
    claims: &AccessTokenClaims,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let what = Happened::AccessTokenRevoked {
        jti: claims.jti.clone(),
    };
    let event = event(app, client, &claims.grant_id, what, now);
    let expires_at = Timestamp::from_seconds(claims.exp);
    app.store
        .revoke_access_token(&claims.grant_id, &claims.jti, expires_at, &event)
        .await
        .map_err(OAuthError::internal)?;
    app.gateway.grant_changed(&claims.grant_id);
    Ok(())
}

/// Any refresh token of the grant will do, a used one too: a revocation that crosses a refresh must
/// leave no survivor.
async fn revoke_refresh_token(app: &App, client: &Client, token: &str, now: Timestamp) -> Result<(), OAuthError> {
    let found = app
        .store
        .refresh_token(&app.tenant_id, &app.vault.hash(token))
        .await
        .map_err(OAuthError::internal)?;
    let Some(token) = found.filter(|token| token.client_id == client.id) else {
        return Ok(());
    };
    let what = Happened::GrantRevoked {
        reason: RevocationReason::ByClient,
    };
    let event = event(app, client, &token.grant_id, what, now);
    app.store
        .revoke_grant(&token.grant_id, &event)
        .await
        .map_err(OAuthError::internal)?;
    app.gateway.grant_changed(&token.grant_id);
    Ok(())
}

fn event(app: &App, client: &Client, grant_id: &GrantId, what: Happened, now: Timestamp) -> AuditEvent {
    AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: now,
        actor: Actor::Client(client.id.clone()),
        user_id: None,
        grant_id: Some(grant_id.clone()),
        what,
    }
}
