//! A user's own grants: shown, lowered, paused and stopped.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, PauseReason, RevocationReason},
    authorization_details::AiAccess,
    consent::{Approved, approve as work_out},
    grant::{Grant, GrantState, GrantStatus},
    ids::{GrantId, UserId},
    time::Timestamp,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
};
use http::{HeaderMap, Request};

use super::{
    body::Members,
    error::Error,
    find::{Found, find, of_grant, own_grant},
    scope::Scope,
    view::ShownGrant,
};
use crate::{app::App, caller};

pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Json<Vec<ShownGrant>>, Error> {
    let user = caller::reading(&app, &headers).await?;
    let now = app.clock.now();
    let mut views = Vec::new();
    for grant in app.store.grants_of(&app.tenant_id, &user.id).await? {
        views.push(ShownGrant::of(&of_grant(&app, grant).await?, now));
    }
    Ok(Json(views))
}

pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<ShownGrant>, Error> {
    let user = caller::reading(&app, &headers).await?;
    let found = find(&app, &GrantId::new(id)).await?;
    if !found.is_visible_to(&user.id) {
        return Err(Error::NotFound);
    }
    Ok(Json(ShownGrant::of(&found, app.clock.now())))
}

/// From any state, and again: a revoked grant stays as it is.
pub(super) async fn revoke(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Json<ShownGrant>, Error> {
    let grant = addressed(&app, &id, request).await?;
    let what = Happened::GrantRevoked {
        reason: RevocationReason::ByUser,
    };
    let revoked = app.store.revoke_grant(&grant.id, &event(&app, &grant, what)).await?;
    answer(&app, revoked).await
}

pub(super) async fn pause(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Json<ShownGrant>, Error> {
    let grant = addressed(&app, &id, request).await?;
    let event = event(
        &app,
        &grant,
        Happened::GrantPaused {
            reason: PauseReason::ByUser,
        },
    );
    let paused = app.store.pause_grant(&grant.id, &event).await?;
    answer_if(&app, paused, |state| matches!(state, GrantState::Paused { .. })).await
}

pub(super) async fn resume(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Json<ShownGrant>, Error> {
    let grant = addressed(&app, &id, request).await?;
    let event = event(&app, &grant, Happened::GrantResumed);
    let resumed = app.resume_grant(&grant.id, &event).await?;
    answer_if(&app, resumed, |state| state == GrantState::Active).await
}

/// Changes the terms of a live grant, within what its app asked for. What is in force for the next
/// admission is the whole of the new terms; lowering below what is spent only stops further calls.
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Json<ShownGrant>, Error> {
    let user = caller::changing(&app, request.headers()).await?;
    let has_to_sign_in_again = caller::has_to_sign_in_again(&app, request.headers()).await?;
    let found = own_grant(&app, &GrantId::new(id), &user.id).await?;
    let grant = found.grant.as_ref().ok_or(Error::NotFound)?;
    let now = app.clock.now();
    match found.status(now) {
        GrantStatus::Approved | GrantStatus::Paused | GrantStatus::Exhausted => {}
        other => return Err(Error::Status(other)),
    }
    let changed = changed(&app, request, &found, grant, now).await?;
    if has_to_sign_in_again && is_raised(grant, &changed) {
        return Err(Error::SignInAgain);
    }

    let what = Happened::GrantChanged {
        authorization_details: serde_json::json!(changed.authorization_details),
        expires_at: changed.expires_at,
        revoke_when_used_up: changed.revoke_when_used_up,
    };
    let grant = app
        .store
        .change_grant(&grant.id, &changed, &event(&app, grant, what))
        .await?;
    answer(&app, grant).await
}

async fn changed(
    app: &App,
    request: Request<Body>,
    found: &Found,
    grant: &Grant,
    now: Timestamp,
) -> Result<Approved, Error> {
    let mut body = Members::of(app, request).await?;
    let scope: Option<Scope> = body.take("scope");
    let seconds: Option<u32> = body.take("expiresInSeconds");
    let revoke_when_used_up = body.take("revokeWhenUsedUp").unwrap_or(grant.revoke_when_used_up);
    if seconds == Some(0) {
        body.refuse("expiresInSeconds", "at least 1");
    }
    let mut details = grant.authorization_details.clone();
    if let Some(scope) = scope
        && let Err(text) = apply(&scope, &mut details)
    {
        body.refuse("scope", &text);
    }
    body.finish()?;

    if let Some(seconds) = seconds {
        let end = now.plus_seconds(seconds.into());
        for access in &mut details {
            access.validity.expires_at = Some(end);
            access.validity.seconds = None;
        }
    }
    if !details.iter().all(|access| was_asked(access, &found.request.asked)) {
        return Err(Error::TooWide);
    }
    let changed = work_out(&found.request.asked, &details, &app.config.grants, now)?;
    Ok(changed.revoked_when_used_up(revoke_when_used_up))
}

/// Applies a scope to the provider that it names, or to the only one.
fn apply(scope: &Scope, details: &mut [AiAccess]) -> Result<(), String> {
    let access = match details {
        [only] => Some(only),
        several => several.iter_mut().find(|access| scope.names(access)),
    };
    let access = access.ok_or("provider: name one that the grant covers")?;
    *access = scope.applied_to(access)?;
    Ok(())
}

/// Whether anything is allowed that was not before.
fn is_raised(grant: &Grant, changed: &Approved) -> bool {
    let is_new = |access: &AiAccess| {
        let before = grant.access_to(&access.provider);
        !before.is_some_and(|before| access.is_narrower(before))
    };
    let lasts_longer = grant.revoke_when_used_up && !changed.revoke_when_used_up;
    lasts_longer || changed.expires_at > grant.expires_at || changed.authorization_details.iter().any(is_new)
}

/// Whether an app that `asked` for this may be given `access`; one that left everything to the user
/// may be given anything. How long is the user's to say.
fn was_asked(access: &AiAccess, asked: &[AiAccess]) -> bool {
    asked.is_empty()
        || asked.iter().any(|asked| {
            let timeless = AiAccess {
                validity: asked.validity,
                ..access.clone()
            };
            timeless.is_narrower(asked)
        })
}

/// The caller's own grant that a request without a body is about.
async fn addressed(app: &App, id: &str, request: Request<Body>) -> Result<Grant, Error> {
    let user = caller::changing(app, request.headers()).await?;
    let found = own_grant(app, &GrantId::new(id), &user.id).await?;
    Members::of(app, request).await?.finish()?;
    found.grant.ok_or(Error::NotFound)
}

async fn answer(app: &App, grant: Option<Grant>) -> Result<Json<ShownGrant>, Error> {
    let grant = grant.ok_or(Error::NotFound)?;
    app.gateway.grant_changed(&grant.id);
    let found = of_grant(app, grant).await?;
    Ok(Json(ShownGrant::of(&found, app.clock.now())))
}

/// Refuses where the grant could not be brought into the state that was asked for: it is revoked.
async fn answer_if(
    app: &App,
    grant: Option<Grant>,
    is_wanted: impl FnOnce(GrantState) -> bool,
) -> Result<Json<ShownGrant>, Error> {
    let grant = grant.ok_or(Error::NotFound)?;
    if is_wanted(grant.state) {
        answer(app, Some(grant)).await
    } else {
        Err(Error::Status(grant.status(false, app.clock.now())))
    }
}

fn event(app: &App, grant: &Grant, what: Happened) -> AuditEvent {
    let user_id: &UserId = &grant.user_id;
    AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: app.clock.now(),
        actor: Actor::User(user_id.clone()),
        user_id: Some(user_id.clone()),
        grant_id: Some(grant.id.clone()),
        what,
    }
}
