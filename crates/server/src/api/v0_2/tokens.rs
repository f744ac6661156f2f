//! Access tokens for a granted request, and what one is worth.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    consent::Door,
    grant::{Grant, GrantStatus},
    ids::GrantId,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};

use super::{
    body::Members,
    error::Error,
    find::{Found, find},
    view::{InspectedGrant, ShownGrant},
};
use crate::{
    app::App,
    client_secret::is_equal,
    signing::{TokenError, audience, issue_access_token},
};

/// `POST /tokens`: for whoever asked, and can prove it with the secret that only they got.
pub(super) async fn issue(State(app): State<App>, request: Request<Body>) -> Result<Response, Error> {
    let mut body = Members::of(&app, request).await?;
    let grant_id: Option<String> = body.take_required("grantId");
    let request_secret: Option<String> = body.take_required("requestSecret");
    body.finish()?;
    let (Some(grant_id), Some(request_secret)) = (grant_id, request_secret) else {
        return Err(Error::NotJson);
    };

    let now = app.clock.now();
    let found = asked_with(&app, &GrantId::new(grant_id), &request_secret).await?;
    let grant = match (&found.grant, found.status(now)) {
        // A used-up limit may be raised, or its window begin anew, while the token lives.
        (Some(grant), GrantStatus::Approved | GrantStatus::Exhausted) => live(&app, grant).await?,
        (_, other) => return Err(Error::Status(other)),
    };
    let token = issue_access_token(&app, &grant, audience(&app.config.public_url, None), now)?;
    let event = AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: now,
        actor: Actor::Client(grant.client_id.clone()),
        user_id: Some(grant.user_id.clone()),
        grant_id: Some(grant.id.clone()),
        what: Happened::TokensIssued {
            client_id: grant.client_id.clone(),
        },
    };
    app.store.append(&event).await?;
    let answer = json!({
        "token": token.token,
        "grantId": grant.id,
        "issuedAt": token.issued_at,
        "expiresAt": token.expires_at,
    });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// `GET /tokens/{token}/inspect`: whoever holds a token may know what it is worth; always 200.
pub(super) async fn inspect(State(app): State<App>, Path(token): Path<String>) -> Result<Response, Error> {
    let answer = match valid(&app, &token).await? {
        Ok(found) => {
            let grant = InspectedGrant::from(ShownGrant::of(&found, app.clock.now()));
            json!({"valid": true, "grant": grant})
        }
        Err(reason) => json!({"valid": false, "reason": reason}),
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json::<Value>(answer)).into_response())
}

/// The grant of a valid token, or why it is not valid.
async fn valid(app: &App, token: &str) -> Result<Result<Found, &'static str>, Error> {
    let now = app.clock.now();
    let claims = match app.signing.verify(token, now, &app.config.public_url) {
        Ok(claims) => claims,
        Err(TokenError::Expired) => return Ok(Err("Token has expired")),
        Err(_) => return Ok(Err("Token is not valid")),
    };
    let Some(live) = app.store.live_grant(&app.tenant_id, &claims.grant_id).await? else {
        return Ok(Err("Token is not valid"));
    };
    if live.revoked_jtis.contains(&claims.jti) {
        return Ok(Err("Token has been revoked"));
    }
    if live.client_disabled_at.is_some() || live.user_suspended_at.is_some() {
        return Ok(Err("Token is not valid"));
    }
    let found = find(app, &claims.grant_id).await?;
    Ok(match found.status(now) {
        GrantStatus::Approved | GrantStatus::Exhausted => Ok(found),
        GrantStatus::Paused => Err("Grant is paused"),
        GrantStatus::Expired => Err("Grant has expired"),
        _ => Err("Grant has been revoked"),
    })
}

/// What was asked for with this secret. A wrong secret and an unknown grant look the same.
async fn asked_with(app: &App, grant_id: &GrantId, request_secret: &str) -> Result<Found, Error> {
    let found = find(app, grant_id).await?;
    let shown = app.vault.hash(request_secret);
    match &found.request.door {
        Door::GrantRequest { request_secret, .. } if is_equal(Some(&shown), request_secret) => Ok(found),
        _ => Err(Error::NotFound),
    }
}

/// The grant, if neither its client nor its user was switched off.
async fn live(app: &App, grant: &Grant) -> Result<Grant, Error> {
    let live = app.store.live_grant(&app.tenant_id, &grant.id).await?;
    live.filter(|live| live.client_disabled_at.is_none() && live.user_suspended_at.is_none())
        .map(|live| live.grant)
        .ok_or(Error::NotFound)
}
