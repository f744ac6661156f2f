//! Deciding a pending grant request: the signed-in user's yes, as it is or lowered, or no.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    authorization_details::AiAccess,
    consent::{Door, approve as work_out},
    grant::GrantStatus,
    ids::{GrantId, UserId},
};
use aipassport_store::Decision;
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
};
use http::Request;

use super::{
    body::Members,
    error::Error,
    find::{Found, find, of_grant},
    scope::Scope,
    view::ShownGrant,
};
use crate::{app::App, caller, price_guard};

/// What 0.2 granted when nobody said how long.
const LIFETIME_SECONDS: u64 = 3600;

pub(super) async fn approve(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Json<ShownGrant>, Error> {
    let user = caller::changing(&app, request.headers()).await?;
    let found = pending(&app, &GrantId::new(id), &user.id).await?;
    let (asked, chosen, revoke_when_used_up) = chosen(&app, request, &found).await?;

    let now = app.clock.now();
    let approved = work_out(&[asked], &[chosen], &app.config.grants, now)?.revoked_when_used_up(revoke_when_used_up);
    let what = Happened::GrantApproved {
        request_id: found.request.id.clone(),
        client_id: found.request.client_id.clone(),
        authorization_details: serde_json::json!(approved.authorization_details),
        expires_at: approved.expires_at,
        shown_digest: None,
        revoke_when_used_up,
    };
    let event = event(&app, &user.id, &found, what);
    let prices = app.prices_of(&user.id).await?;
    let decision = Decision {
        by: user.id,
        prices: price_guard::on_record(&approved.authorization_details, &prices),
        approved,
        shown_digest: None,
    };
    let grant = app
        .store
        .approve_grant_request(&found.request.id, &decision, &event)
        .await?;
    match grant {
        Some(grant) => Ok(Json(ShownGrant::of(&of_grant(&app, grant).await?, now))),
        None => Err(decided_meanwhile(&app, &found.request.grant_id).await),
    }
}

pub(super) async fn deny(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Json<ShownGrant>, Error> {
    let user = caller::changing(&app, request.headers()).await?;
    let found = pending(&app, &GrantId::new(id), &user.id).await?;
    Members::of(&app, request).await?.finish()?;

    let what = Happened::GrantDenied {
        request_id: found.request.id.clone(),
        client_id: found.request.client_id.clone(),
    };
    let event = event(&app, &user.id, &found, what);
    if !app.store.deny_request(&found.request.id, &user.id, &event).await? {
        return Err(decided_meanwhile(&app, &found.request.grant_id).await);
    }
    let denied = find(&app, &found.request.grant_id).await?;
    Ok(Json(ShownGrant::of(&denied, app.clock.now())))
}

/// A request of this surface that waits for a decision. Requests of the authorization endpoint are
/// decided on the consent page alone, which their answer leaves from.
async fn pending(app: &App, id: &GrantId, user_id: &UserId) -> Result<Found, Error> {
    let found = find(app, id).await?;
    if !found.is_visible_to(user_id) || !matches!(found.request.door, Door::GrantRequest { .. }) {
        return Err(Error::NotFound);
    }
    match found.status(app.clock.now()) {
        GrantStatus::Pending => Ok(found),
        other => Err(Error::Status(other)),
    }
}

/// What was asked, what of it the user chose, and whether the grant ends with its money.
async fn chosen(app: &App, request: Request<Body>, found: &Found) -> Result<(AiAccess, AiAccess, bool), Error> {
    let mut body = Members::of(app, request).await?;
    let asked = found.request.asked.first().ok_or(Error::NotFound)?;
    let scope: Scope = body.take("scope").unwrap_or_default();
    let seconds = body.take("expiresInSeconds").unwrap_or(LIFETIME_SECONDS);
    let revoke_when_used_up = body.take("revokeWhenUsedUp").unwrap_or_default();
    if seconds == 0 {
        body.refuse("expiresInSeconds", "at least 1");
    }
    let chosen = scope.applied_to(asked).map_err(|text| body.refuse("scope", &text)).ok();
    body.finish()?;

    let mut chosen = chosen.ok_or(Error::NotJson)?;
    if !chosen.is_narrower(asked) {
        return Err(Error::TooWide);
    }
    chosen.validity.seconds = Some(seconds);
    Ok((asked.clone(), chosen, revoke_when_used_up))
}

/// Two decided at once, and the other one won.
async fn decided_meanwhile(app: &App, id: &GrantId) -> Error {
    match find(app, id).await {
        Ok(found) => Error::Status(found.status(app.clock.now())),
        Err(error) => error,
    }
}

fn event(app: &App, user_id: &UserId, found: &Found, what: Happened) -> AuditEvent {
    AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: app.clock.now(),
        actor: Actor::User(user_id.clone()),
        user_id: Some(user_id.clone()),
        grant_id: Some(found.request.grant_id.clone()),
        what,
    }
}
