//! `/api/limits`: limits above those of single grants, of all apps of the user and (`/{client_id}`) of
//! one app as a whole.
//!
//! They are read and written as authorization details have them in `limits`. What is put is all that
//! holds; a limit that is left out is none.

use aipassport_domain::{ids::ClientId, limits::Limits};
use aipassport_store::{LimitsOf, User};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    routing::get,
};
use http::{HeaderMap, StatusCode};

use super::{
    own::{self, Answer},
    problem::Problem,
};
use crate::{app::App, caller, entries::limits_changed, limits_view::LimitsView};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/limits", get(show_all).put(set_all).delete(remove_all))
        .route("/api/limits/{client_id}", get(show_app).put(set_app).delete(remove_app))
}

async fn show_all(State(app): State<App>, headers: HeaderMap) -> Answer<Json<LimitsView>> {
    let user = caller::reading(&app, &headers).await?;
    view(&app, &LimitsOf::User(user.id)).await
}

async fn show_app(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<Json<LimitsView>> {
    let user = caller::reading(&app, &headers).await?;
    view(&app, &own_app(&app, &user, id).await?).await
}

async fn set_all(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Answer<Json<LimitsView>> {
    let user = caller::changing(&app, &headers).await?;
    let limits = own::body(&headers, &bytes)?;
    let of = LimitsOf::User(user.id.clone());
    set(&app, &headers, &user, &of, &limits).await?;
    view(&app, &of).await
}

async fn set_app(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<Json<LimitsView>> {
    let user = caller::changing(&app, &headers).await?;
    let of = own_app(&app, &user, id).await?;
    let limits = own::body(&headers, &bytes)?;
    set(&app, &headers, &user, &of, &limits).await?;
    view(&app, &of).await
}

async fn remove_all(State(app): State<App>, headers: HeaderMap) -> Answer<StatusCode> {
    let user = caller::changing(&app, &headers).await?;
    let of = LimitsOf::User(user.id.clone());
    set(&app, &headers, &user, &of, &Limits::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_app(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<StatusCode> {
    let user = caller::changing(&app, &headers).await?;
    let of = own_app(&app, &user, id).await?;
    set(&app, &headers, &user, &of, &Limits::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The app of that id. One that the user never allowed anything is not there.
async fn own_app(app: &App, user: &User, id: String) -> Result<LimitsOf, Problem> {
    let client_id = ClientId::new(id);
    let grants = app.store.grants_of(&app.tenant_id, &user.id).await?;
    if !grants.iter().any(|grant| grant.client_id == client_id) {
        return Err(Problem::NotFound);
    }
    let user_id = user.id.clone();
    Ok(LimitsOf::App { user_id, client_id })
}

async fn set(app: &App, headers: &HeaderMap, user: &User, of: &LimitsOf, limits: &Limits) -> Result<(), Problem> {
    let present = app.store.limits_of(&app.tenant_id, of).await?;
    let present = present.map(|account| account.limits()).unwrap_or_default();
    let is_raised = !limits.narrower(&present);
    if is_raised && caller::has_to_sign_in_again(app, headers).await? {
        return Err(Problem::SignInAgain);
    }
    let event = own::event(app, user, None, limits_changed(of, limits));
    if app.store.set_limits(of, limits, &event).await? {
        Ok(())
    } else {
        Err(Problem::NotFound)
    }
}

async fn view(app: &App, of: &LimitsOf) -> Answer<Json<LimitsView>> {
    let now = app.clock.now();
    Ok(Json(LimitsView::load(&app.store, &app.tenant_id, of, now).await?))
}
