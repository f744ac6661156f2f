//! `/api/webhooks`: addresses that alerts are posted to.

use aipassport_domain::{audit::Happened, ids::WebhookId};
use aipassport_store::{User, Webhook};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    own::{self, Answer},
    problem::Problem,
};
use crate::{
    app::App,
    caller,
    entries::{MOST_WEBHOOKS, NewWebhook, fresh_webhook_secret, new_webhook},
    webhooks::{WebhookView, host_of, views_of},
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/webhooks", get(webhooks).post(add))
        .route("/api/webhooks/{id}", delete(remove))
        .route("/api/webhooks/{id}/test", post(test))
        .route("/api/webhooks/{id}/replace-secret", post(replace_secret))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entered {
    url: String,
    #[serde(default)]
    description: String,
}

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Shown this once.
    secret: String,
}

async fn webhooks(State(app): State<App>, headers: HeaderMap) -> Answer<Json<Vec<WebhookView>>> {
    let user = caller::reading(&app, &headers).await?;
    Ok(Json(views_of(&app.store, &app.tenant_id, &user.id).await?))
}

async fn add(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let user = caller::changing(&app, &headers).await?;
    let Entered { url, description } = own::body(&headers, &bytes)?;
    let made = new_webhook(app.making(), &user.id, NewWebhook { url, description })?;
    let event = own::event(&app, &user, None, made.added);
    if !app.store.add_webhook(&made.webhook, MOST_WEBHOOKS, &event).await? {
        return Err(Problem::Invalid {
            field: "url",
            text: format!("you have {MOST_WEBHOOKS} already: remove one first"),
        });
    }
    let added = Added {
        webhook: WebhookView::new(made.webhook, None),
        secret: made.secret.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(json!(added))))
}

async fn own_webhook(app: &App, user: &User, id: String) -> Result<Webhook, Problem> {
    let webhook = app.store.webhook(&app.tenant_id, &WebhookId::new(id)).await?;
    webhook
        .filter(|webhook| webhook.user_id == user.id)
        .ok_or(Problem::NotFound)
}

async fn remove(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<StatusCode> {
    let user = caller::changing(&app, &headers).await?;
    let webhook = own_webhook(&app, &user, id).await?;
    let removed = Happened::WebhookRemoved {
        webhook_id: webhook.id.clone(),
        host: host_of(&webhook),
    };
    let event = own::event(&app, &user, None, removed);
    if app.store.remove_webhook(&webhook.id, &event).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::NotFound)
    }
}

async fn test(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let user = caller::changing(&app, &headers).await?;
    let webhook = own_webhook(&app, &user, id).await?;
    let tested = Happened::WebhookTested {
        webhook_id: webhook.id.clone(),
        host: host_of(&webhook),
    };
    let event = own::event(&app, &user, None, tested);
    let sent = app.postman().test(&webhook, &event).await?;
    let sent = sent.ok_or(Problem::TooMany("Wait a minute before the next test."))?;
    let failure = sent.err().map(|failure| failure.to_string());
    Ok(Json(json!({ "delivered": failure.is_none(), "failure": failure })))
}

async fn replace_secret(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let user = caller::changing(&app, &headers).await?;
    let webhook = own_webhook(&app, &user, id).await?;
    let fresh = fresh_webhook_secret(app.making(), &webhook).map_err(|error| {
        tracing::error!(webhook.id = %webhook.id, %error, "a webhook's secret could not be replaced");
        Problem::Unavailable
    })?;
    let event = own::event(&app, &user, None, fresh.replaced);
    let replacing = app
        .store
        .replace_webhook_secret(&webhook, &fresh.sealed, &fresh.former, &event);
    if !replacing.await? {
        return Err(Problem::NotFound);
    }
    Ok(Json(json!({ "id": webhook.id, "secret": fresh.secret.expose() })))
}
