//! `/api/app-keys`: credentials that a user makes by hand for tools that cannot do OAuth. Stopping
//! one is stopping its grant (`/api/grants/{id}/revoke`).

use aipassport_domain::{audit::Happened, authorization_details, ids::GrantId};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    own::{self, Answer},
    problem::Problem,
};
use crate::{
    app::App,
    caller,
    entries::{NewTool, fresh_app_key, new_app_key},
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/app-keys", get(app_keys).post(make))
        .route("/api/app-keys/{grant_id}/replace", post(replace))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnteredTool {
    name: String,
    /// As a client asks for it (RFC 9396); what is left open is closed.
    authorization_details: Value,
    #[serde(default)]
    revoke_when_used_up: bool,
}

async fn app_keys(State(app): State<App>, headers: HeaderMap) -> Answer {
    let user = caller::reading(&app, &headers).await?;
    let keys = app.store.app_keys_of(&app.tenant_id, &user.id).await?;
    let shown = keys.iter().map(|key| {
        json!({
            "id": key.id,
            "grant_id": key.grant_id,
            "client_id": key.client_id,
            "last_four": key.last_four,
            "created_at": key.created_at,
        })
    });
    Ok(Json(shown.collect()))
}

async fn make(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let user = caller::changing(&app, &headers).await?;
    let EnteredTool {
        name,
        authorization_details,
        revoke_when_used_up,
    } = own::body(&headers, &bytes)?;
    let access =
        authorization_details::parse(&authorization_details.to_string()).map_err(|error| Problem::Invalid {
            field: "authorization_details",
            text: error.to_string(),
        })?;
    let entered = NewTool {
        name,
        authorization_details: access,
        revoke_when_used_up,
    };
    let prices = app.prices_of(&user.id).await?;
    let tool = new_app_key(app.making(), &app.config.grants, &prices, entered)?;
    let event = own::event(&app, &user, Some(&tool.grant_id), tool.made.clone());
    let grant = app
        .store
        .make_app_key(&tool.stored, tool.for_user(&user.id), &event)
        .await?;
    let grant = grant.ok_or(Problem::NotFound)?;
    let made = json!({
        "key": tool.key.expose(),
        "id": tool.stored.id,
        "grant_id": grant.id,
        "client_id": grant.client_id,
        "expires_at": grant.expires_at,
    });
    Ok((StatusCode::CREATED, Json(made)))
}

async fn replace(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let (user, id) = (caller::changing(&app, &headers).await?, GrantId::new(id));
    let keys = app.store.app_keys_of(&app.tenant_id, &user.id).await?;
    let old = keys
        .into_iter()
        .find(|key| key.grant_id == id)
        .ok_or(Problem::NotFound)?;
    let (key, stored) = fresh_app_key(app.making());
    let replaced = Happened::AppKeyReplaced {
        app_key_id: stored.id.clone(),
        replaced: old.id,
    };
    if !app
        .store
        .replace_app_key(&id, &stored, &own::event(&app, &user, Some(&id), replaced))
        .await?
    {
        return Err(Problem::NotFound);
    }
    app.gateway.grant_changed(&id);
    Ok(Json(json!({ "key": key.expose(), "id": stored.id, "grant_id": id })))
}
