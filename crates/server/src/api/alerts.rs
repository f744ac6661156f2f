//! `/api/alerts`: which limits of the user are nearly or altogether used up.

use aipassport_store::{AlertRecord, AlertsOf, User};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::{own::Answer, problem::Problem};
use crate::{alert_view::AlertView, app::App, caller};

const MOST: u32 = 200;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/alerts", get(alerts))
        .route("/api/alerts/{id}/seen", post(seen))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    unseen: bool,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    alert: AlertView,
    seen_at: Option<aipassport_domain::time::Timestamp>,
}

impl From<AlertRecord> for Shown {
    fn from(alert: AlertRecord) -> Self {
        let seen_at = alert.seen_at;
        Self {
            alert: alert.into(),
            seen_at,
        }
    }
}

fn of(user: &User) -> AlertsOf<'_> {
    AlertsOf {
        user_id: &user.id,
        and_tenant: user.is_admin,
    }
}

async fn alerts(State(app): State<App>, Query(which): Query<Which>, headers: HeaderMap) -> Answer<Json<Vec<Shown>>> {
    let user = caller::reading(&app, &headers).await?;
    let alerts = app
        .store
        .alerts_of(&app.tenant_id, of(&user), which.unseen, MOST)
        .await?;
    Ok(Json(alerts.into_iter().map(Shown::from).collect()))
}

async fn seen(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<StatusCode> {
    let user = caller::changing(&app, &headers).await?;
    let now = app.clock.now();
    if app.store.see_alert(&app.tenant_id, of(&user), &id, now).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::NotFound)
    }
}
