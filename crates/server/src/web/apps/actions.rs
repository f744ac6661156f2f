//! Stopping, pausing and resuming. Each holds from the next call on, on every instance, because
//! it raises the grant's version; open streams end within two seconds.

use aipassport_domain::{
    audit::{AuditEvent, Happened, PauseReason, RevocationReason},
    grant::{Grant, GrantState},
};
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    super::{error::PageError, form::SignedForm, page::see_other, return_to::own_path, sign_in},
    own_grant,
};
use crate::{app::App, browser_session::SignedIn};

pub(in super::super) async fn stop(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let grant = own_grant(&app, &form.signed_in, &id).await?;
    let revoked = Happened::GrantRevoked {
        reason: RevocationReason::ByUser,
    };
    app.store
        .revoke_grant(&grant.id, &event(&app, &form.signed_in, &grant, revoked))
        .await?;
    app.gateway.grant_changed(&grant.id);
    Ok(done(&form, "stopped"))
}

pub(in super::super) async fn pause(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let grant = own_grant(&app, &form.signed_in, &id).await?;
    app.store
        .pause_grant(
            &grant.id,
            &event(
                &app,
                &form.signed_in,
                &grant,
                Happened::GrantPaused {
                    reason: PauseReason::ByUser,
                },
            ),
        )
        .await?;
    app.gateway.grant_changed(&grant.id);
    Ok(done(&form, "paused"))
}

pub(in super::super) async fn resume(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let grant = own_grant(&app, &form.signed_in, &id).await?;
    // Only where the new prices were shown can they be allowed.
    if form.fields.raw("prices") != "allowed" && !app.dearer_models(&grant).await?.is_empty() {
        return Ok(see_other(&format!("/apps/{}", grant.id)));
    }
    app.resume_grant(&grant.id, &event(&app, &form.signed_in, &grant, Happened::GrantResumed))
        .await?;
    app.gateway.grant_changed(&grant.id);
    Ok(done(&form, "resumed"))
}

/// The panic switch. If it fails half way, what was paused stays paused, and the page says that it
/// failed, so that it is pressed again.
pub(in super::super) async fn pause_all(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let user = &form.signed_in.user;
    let now = app.clock.now();
    for grant in app.store.grants_of(&app.tenant_id, &user.id).await? {
        if grant.state == GrantState::Active && now < grant.expires_at {
            let paused = event(
                &app,
                &form.signed_in,
                &grant,
                Happened::GrantPaused {
                    reason: PauseReason::ByUser,
                },
            );
            app.store.pause_grant(&grant.id, &paused).await?;
            app.gateway.grant_changed(&grant.id);
        }
    }
    Ok(done(&form, "all-paused"))
}

pub(super) fn event(app: &App, signed_in: &SignedIn, grant: &Grant, what: Happened) -> AuditEvent {
    AuditEvent {
        grant_id: Some(grant.id.clone()),
        ..sign_in::event(app, &signed_in.user, what)
    }
}

/// Back to the page that the form was on.
fn done(form: &SignedForm, what: &str) -> Response {
    let back = own_path(form.fields.raw("return_to"));
    let back = back.split('?').next().unwrap_or(back);
    see_other(&format!("{back}?done={what}"))
}
