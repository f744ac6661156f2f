//! `/api/time-zone`: the clock that the user's limits follow.

use axum::{Json, Router, body::Bytes, extract::State, routing::get};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::own::{self, Answer};
use crate::{app::App, caller, entries::new_time_zone};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/time-zone", get(show).put(change))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entered {
    time_zone: String,
}

async fn show(State(app): State<App>, headers: HeaderMap) -> Answer {
    let user = caller::reading(&app, &headers).await?;
    Ok(Json(json!({ "time_zone": user.time_zone })))
}

async fn change(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Answer {
    let user = caller::changing(&app, &headers).await?;
    let entered: Entered = own::body(&headers, &bytes)?;
    let (time_zone, chosen) = new_time_zone(&entered.time_zone)?;
    app.store
        .set_time_zone(&user.id, &time_zone, &own::event(&app, &user, None, chosen))
        .await?;
    Ok(Json(json!({ "time_zone": time_zone })))
}
