//! `GET /api/calls/{id}`: what one call cost, for the client that made it and the user who paid.

use aipassport_domain::ids::{CallId, GrantId, UserId};
use aipassport_providers::prices::PricedModel;
use aipassport_store::CallRecord;
use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use http::request;
use serde_json::{Value, json};

use super::{covered, plain, settle_what_ended};
use crate::{
    app::App,
    caller,
    gateway::{authenticate::authenticate, error::GatewayError},
};

/// Whose calls may be seen.
enum Viewer {
    Client(GrantId),
    User(UserId),
}

pub(super) async fn call(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let call = read(&app, &CallId::new(id), &head).await;
    plain::respond(&app, call)
}

/// Somebody else's call is not found, as one that there never was.
async fn read(app: &App, id: &CallId, head: &request::Parts) -> Result<Value, GatewayError> {
    let viewer = viewer(app, head).await?;
    settle_what_ended(app).await;
    let call = app.store.call(&app.tenant_id, id).await?;
    call.filter(|call| match &viewer {
        Viewer::Client(grant_id) => &call.grant_id == grant_id,
        Viewer::User(user_id) => &call.user_id == user_id,
    })
    .map(|call| show(app, &call))
    .ok_or(GatewayError::NotFound)
}

/// A client by its access token; a user by a bearer for the API or a signed-in browser.
async fn viewer(app: &App, head: &request::Parts) -> Result<Viewer, GatewayError> {
    let refused = match authenticate(app, head, None, app.clock.now()).await {
        Ok(caller) => return Ok(Viewer::Client(caller.token.grant_id.clone())),
        Err(refused @ (GatewayError::NoToken | GatewayError::Unauthenticated(_))) => refused,
        Err(error) => return Err(error),
    };
    match caller::reading(app, &head.headers).await {
        Ok(user) => Ok(Viewer::User(user.id)),
        Err(caller::CallerError::Store(error)) => Err(error.into()),
        Err(_) => Err(refused),
    }
}

fn show(app: &App, call: &CallRecord) -> Value {
    let settled = call.settled.as_ref();
    let mut shown = json!({
        "id": call.id,
        "grant_id": call.grant_id,
        "client_id": call.client_id,
        "provider": call.provider,
        "model": call.model,
        "capability": call.capability,
        "state": if settled.is_some() { "settled" } else { "held" },
        "admitted_at": call.held.at,
        "held": call.held.amount,
        "currency": "USD",
    });
    if let (Some(settled), Some(members)) = (settled, shown.as_object_mut()) {
        members.extend([
            ("settled_at".to_owned(), json!(settled.at)),
            ("cost".to_owned(), json!(settled.cost)),
            ("label".to_owned(), json!(settled.label)),
            ("outcome".to_owned(), json!(settled.outcome)),
            ("usage".to_owned(), json!(settled.usage)),
            ("price_digest".to_owned(), json!(settled.price_digest)),
        ]);
        if let Some(model) = priced_alike(app, call, &settled.price_digest) {
            members.insert("rates".to_owned(), json!(covered::prices_of(model)));
        }
    }
    shown
}

/// The model as it was priced for the call. The past is never priced again: of other prices than the
/// present ones there is only the digest.
fn priced_alike<'a>(app: &'a App, call: &CallRecord, digest: &str) -> Option<&'a PricedModel> {
    let is_present = app.prices.digest_of(&call.provider, &call.model) == digest;
    app.prices.model(&call.provider, &call.model).filter(|_| is_present)
}
