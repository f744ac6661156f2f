//! Webhooks: addresses that alerts are posted to. Shown and changed on the page of settings.

use aipassport_domain::{
    audit::{Happened, WebhookStop},
    ids::WebhookId,
};
use aipassport_store::{Delivery, StoreError, Webhook};
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    app_words,
    error::PageError,
    form::SignedForm,
    page::see_other,
    parts::FieldError,
    settings::{Said, settings_page},
    sign_in,
    words::WallClock,
};
use crate::{
    app::App,
    browser_session::SignedIn,
    entries::{MOST_WEBHOOKS, NewWebhook, fresh_webhook_secret, new_webhook},
    webhooks::host_of,
};

/// The part of the page that is about webhooks.
#[derive(Default)]
pub(super) struct WebhooksPart {
    pub(super) rows: Vec<WebhookRow>,
    /// Shown this once.
    pub(super) new_secret: Option<NewSecret>,
    pub(super) has_room: bool,
    /// What was entered and is not right.
    pub(super) url: String,
    pub(super) description: String,
}

pub(super) struct WebhookRow {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) url: String,
    pub(super) description: String,
    /// What became of the last message.
    pub(super) state: String,
    pub(super) is_stopped: bool,
}

impl WebhookRow {
    /// What its errors are at.
    pub(super) fn field(&self) -> String {
        format!("webhook-{}", self.id)
    }
}

pub(super) struct NewSecret {
    pub(super) host: String,
    pub(super) text: String,
}

pub(super) async fn part(app: &App, signed_in: &SignedIn) -> Result<WebhooksPart, StoreError> {
    let user = &signed_in.user;
    let clock = WallClock::new(app.clock.now(), &user.time_zone);
    let mut rows = Vec::new();
    for webhook in app.store.webhooks_of(&app.tenant_id, &user.id).await? {
        let last = app.store.last_delivery(&webhook).await?;
        rows.push(row(&webhook, last, &clock));
    }
    Ok(WebhooksPart {
        has_room: rows.len() < MOST_WEBHOOKS as usize,
        rows,
        ..WebhooksPart::default()
    })
}

/// Those that alerts do not reach any more, as sentences.
pub(super) async fn stopped(app: &App, signed_in: &SignedIn) -> Result<Vec<String>, StoreError> {
    let webhooks = app.store.webhooks_of(&app.tenant_id, &signed_in.user.id).await?;
    let sentence = |webhook: &Webhook| {
        let (_, because) = webhook.stopped?;
        Some(format!(
            "Alerts are no longer sent to {}: {}.",
            host_of(webhook),
            why(because)
        ))
    };
    Ok(webhooks.iter().filter_map(sentence).collect())
}

fn row(webhook: &Webhook, last: Option<Delivery>, clock: &WallClock) -> WebhookRow {
    let state = match (webhook.stopped, last) {
        (Some((at, because)), _) => format!(
            "Stopped {}: {}. Send a test: if it arrives, alerts are sent again.",
            clock.ago(at),
            why(because)
        ),
        (None, None) => "Nothing was sent to it yet.".to_owned(),
        (None, Some(last)) => match (last.delivered_at, last.failure, last.due_at) {
            (Some(at), _, _) => format!("The last message arrived {}.", clock.ago(at)),
            (None, Some(failure), Some(due)) => {
                format!(
                    "The last message did not arrive: {failure}. It is sent again {}.",
                    clock.until(due)
                )
            }
            (None, Some(failure), None) => format!("The last message did not arrive: {failure}."),
            (None, None, _) => "A message is on its way.".to_owned(),
        },
    };
    WebhookRow {
        id: webhook.id.to_string(),
        host: host_of(webhook),
        url: webhook.url.clone(),
        description: app_words::clean(&webhook.description, 200),
        state,
        is_stopped: webhook.stopped.is_some(),
    }
}

pub(super) fn why(because: WebhookStop) -> &'static str {
    match because {
        WebhookStop::Gone => "it answered that it is gone for good",
        WebhookStop::Undelivered => "it took no message for three days",
    }
}

pub(super) async fn add(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let (signed_in, fields) = (&form.signed_in, &form.fields);
    let wrong = |error| {
        let said = Said::wrong_webhook(error, fields.text("url"), fields.text("description"));
        settings_page(&app, signed_in, said)
    };
    let entered = NewWebhook {
        url: fields.text("url").to_owned(),
        description: fields.text("description").to_owned(),
    };
    let made = match new_webhook(app.making(), &signed_in.user.id, entered) {
        Ok(made) => made,
        Err(refused) => {
            let words = format!("{}.", capitalised(&refused.text));
            return wrong(FieldError::new(format!("webhook-{}", refused.field), words)).await;
        }
    };
    let event = sign_in::event(&app, &signed_in.user, made.added);
    if !app.store.add_webhook(&made.webhook, MOST_WEBHOOKS, &event).await? {
        let words = format!("You have {MOST_WEBHOOKS} already. Remove one first.");
        return wrong(FieldError::new("webhook-url", words)).await;
    }
    let new_secret = NewSecret {
        host: host_of(&made.webhook),
        text: made.secret.expose().to_owned(),
    };
    settings_page(&app, signed_in, Said::new_secret(new_secret)).await
}

pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let webhook = own_webhook(&app, &form, id).await?;
    let removed = Happened::WebhookRemoved {
        webhook_id: webhook.id.clone(),
        host: host_of(&webhook),
    };
    let event = sign_in::event(&app, &form.signed_in.user, removed);
    app.store.remove_webhook(&webhook.id, &event).await?;
    Ok(see_other("/settings?done=webhook-removed#webhooks"))
}

pub(super) async fn test(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let webhook = own_webhook(&app, &form, id).await?;
    let tested = Happened::WebhookTested {
        webhook_id: webhook.id.clone(),
        host: host_of(&webhook),
    };
    let event = sign_in::event(&app, &form.signed_in.user, tested);
    let words = match app.postman().test(&webhook, &event).await? {
        Some(Ok(())) => return Ok(see_other("/settings?done=webhook-tested#webhooks")),
        Some(Err(failure)) => format!("The test did not arrive at {}: {failure}.", host_of(&webhook)),
        None => "Wait a minute before the next test.".to_owned(),
    };
    let error = FieldError::new(format!("webhook-{}", webhook.id), words);
    settings_page(&app, &form.signed_in, Said::wrong(error)).await
}

pub(super) async fn replace_secret(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let webhook = own_webhook(&app, &form, id).await?;
    let fresh = fresh_webhook_secret(app.making(), &webhook).map_err(|error| PageError::Broken(error.into()))?;
    let event = sign_in::event(&app, &form.signed_in.user, fresh.replaced);
    let replacing = app
        .store
        .replace_webhook_secret(&webhook, &fresh.sealed, &fresh.former, &event);
    if !replacing.await? {
        return Err(PageError::NotFound);
    }
    let new_secret = NewSecret {
        host: host_of(&webhook),
        text: fresh.secret.expose().to_owned(),
    };
    settings_page(&app, &form.signed_in, Said::new_secret(new_secret)).await
}

async fn own_webhook(app: &App, form: &SignedForm, id: String) -> Result<Webhook, PageError> {
    let webhook = app.store.webhook(&app.tenant_id, &WebhookId::new(id)).await?;
    webhook
        .filter(|webhook| webhook.user_id == form.signed_in.user.id)
        .ok_or(PageError::NotFound)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}
