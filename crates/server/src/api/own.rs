//! `/api/…`: what the pages do, as JSON, for the signed-in user and nobody else's things.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, PauseReason, RevocationReason},
    client::{Client, ClientAuthentication, Registration},
    grant::Grant,
    ids::{CredentialId, GrantId, ProviderId},
    price_override::PriceOverride,
    secret::Secret,
};
use aipassport_store::{Page, ProviderCredential, User};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    routing::{delete, get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::problem::Problem;
use crate::{
    app::App,
    caller,
    entries::{NewClient, NewCredential, NewPrice, Refused, checked, new_client, new_credential, new_price},
    grant_view::GrantView,
};

const MOST_EVENTS: u32 = 200;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/openapi.json", get(openapi))
        .route("/api/credentials", get(credentials).post(add_credential))
        .route("/api/credentials/{id}", delete(remove_credential))
        .route("/api/credentials/{id}/check", post(check_credential))
        .route("/api/prices", get(prices).post(set_price).delete(remove_price))
        .route("/api/clients", get(clients).post(add_client))
        .route("/api/grants", get(grants))
        .route("/api/grants/{id}", get(grant))
        .route("/api/grants/{id}/revoke", post(revoke))
        .route("/api/grants/{id}/pause", post(pause))
        .route("/api/grants/{id}/resume", post(resume))
        .route("/api/audit", get(audit))
}

pub(super) type Answer<T = Json<Value>> = Result<T, Problem>;

async fn openapi() -> ([(header::HeaderName, HeaderValue); 1], &'static str) {
    let json = HeaderValue::from_static("application/json");
    (
        [(header::CONTENT_TYPE, json)],
        include_str!("../../../../docs/openapi.json"),
    )
}

pub(super) fn event(app: &App, user: &User, grant_id: Option<&GrantId>, what: Happened) -> AuditEvent {
    AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: app.clock.now(),
        actor: Actor::User(user.id.clone()),
        user_id: Some(user.id.clone()),
        grant_id: grant_id.cloned(),
        what,
    }
}

/// Reads a JSON body; the content type keeps other sites' plain forms out.
pub(super) fn body<T: DeserializeOwned>(headers: &HeaderMap, bytes: &Bytes) -> Result<T, Problem> {
    let invalid = |text: String| Problem::Invalid { field: "body", text };
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(invalid("send application/json".to_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))
}

// Provider credentials.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnteredCredential {
    provider: String,
    key: String,
    #[serde(default)]
    base_url: Option<String>,
    /// Whether the key is kept although its provider does not accept it.
    #[serde(default)]
    save_anyway: bool,
}

fn credential_view(credential: &ProviderCredential) -> Value {
    json!({
        "id": credential.id,
        "provider": credential.provider,
        "base_url": credential.base_url,
        "last_four": credential.last_four,
        "created_at": credential.created_at,
        "last_used_at": credential.last_used_at,
        "refused_at": credential.refused_at,
        "checked_at": credential.checked.map(|checked| checked.at),
        "check_result": credential.checked.map(|checked| checked.result),
    })
}

async fn credentials(State(app): State<App>, headers: HeaderMap) -> Answer {
    let user = caller::reading(&app, &headers).await?;
    let credentials = app.store.credentials_of(&app.tenant_id, &user.id).await?;
    Ok(Json(credentials.iter().map(credential_view).collect()))
}

async fn add_credential(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let user = caller::changing(&app, &headers).await?;
    let EnteredCredential {
        provider,
        key,
        base_url,
        save_anyway,
    } = body(&headers, &bytes)?;
    let entered = NewCredential {
        provider,
        key: Secret::new(key),
        base_url,
    };
    let (credential, added) = new_credential(app.making(), &user.id, entered)?;
    let upstreams = &app.config.upstreams;
    let credential = checked(app.making(), &app.gateway, upstreams, credential, save_anyway)
        .await
        .map_err(Refused::from)?;
    app.store
        .add_credential(&credential, &event(&app, &user, None, added))
        .await?;
    Ok((StatusCode::CREATED, Json(credential_view(&credential))))
}

async fn own_credential(app: &App, user: &User, id: &CredentialId) -> Result<ProviderCredential, Problem> {
    let credential = app.store.credential(&app.tenant_id, id).await?;
    credential
        .filter(|credential| credential.user_id == user.id)
        .ok_or(Problem::NotFound)
}

async fn check_credential(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let (user, id) = (caller::changing(&app, &headers).await?, CredentialId::new(id));
    let credential = own_credential(&app, &user, &id).await?;
    let result = app
        .gateway
        .check_key(&app.config.upstreams, &app.vault, &credential)
        .await;
    let checked = Happened::CredentialChecked {
        credential_id: id.clone(),
        provider: credential.provider,
        result,
    };
    app.store
        .record_key_check(&id, result, &event(&app, &user, None, checked))
        .await?;
    Ok(Json(credential_view(&own_credential(&app, &user, &id).await?)))
}

async fn remove_credential(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<StatusCode> {
    let (user, id) = (caller::changing(&app, &headers).await?, CredentialId::new(id));
    let credential = own_credential(&app, &user, &id).await?;
    let removed = Happened::CredentialRemoved {
        credential_id: id.clone(),
        provider: credential.provider,
    };
    if app
        .store
        .remove_credential(&id, &event(&app, &user, None, removed))
        .await?
    {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::NotFound)
    }
}

// Prices.

async fn prices(State(app): State<App>, headers: HeaderMap) -> Answer<Json<Vec<PriceOverride>>> {
    let user = caller::reading(&app, &headers).await?;
    Ok(Json(app.store.prices_of(&app.tenant_id, &user.id).await?))
}

async fn set_price(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Answer<Json<PriceOverride>> {
    let user = caller::changing(&app, &headers).await?;
    let entered: NewPrice = body(&headers, &bytes)?;
    let (price, set) = new_price(entered)?;
    app.store
        .set_price(&user.id, &price, &event(&app, &user, None, set))
        .await?;
    Ok(Json(price))
}

/// Which price: of every model, where none is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceOf {
    provider: ProviderId,
    model: Option<String>,
}

async fn remove_price(State(app): State<App>, Query(of): Query<PriceOf>, headers: HeaderMap) -> Answer<StatusCode> {
    let user = caller::changing(&app, &headers).await?;
    let PriceOf { provider, model } = of;
    let removed = Happened::PriceRemoved {
        provider: provider.clone(),
        model: model.clone(),
    };
    let event = event(&app, &user, None, removed);
    let removed = app.store.remove_price(&user.id, &provider, model.as_deref(), &event);
    if removed.await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::NotFound)
    }
}

// Clients.

fn client_view(client: &Client) -> Value {
    json!({
        "client_id": client.id,
        "name": client.name,
        "address": client.address,
        "redirect_uris": client.redirect_uris,
        "is_confidential": client.authentication != ClientAuthentication::None,
        "registration": client.registration,
        "created_at": client.created_at,
    })
}

async fn clients(State(app): State<App>, headers: HeaderMap) -> Answer {
    caller::reading(&app, &headers).await?;
    let clients = app.store.clients(&app.tenant_id).await?;
    // A tool is its user's own affair; it shows in their grants.
    let apps = clients
        .iter()
        .filter(|client| client.registration != Registration::Tool);
    Ok(Json(apps.map(client_view).collect()))
}

async fn add_client(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let user = caller::changing(&app, &headers).await?;
    let entered: NewClient = body(&headers, &bytes)?;
    let (client, secret, added) = new_client(app.making(), entered)?;
    app.store.add_client(&client, &event(&app, &user, None, added)).await?;
    let mut view = client_view(&client);
    if let (Some(secret), Some(members)) = (secret, view.as_object_mut()) {
        members.insert("client_secret".to_owned(), secret.expose().into());
    }
    Ok((StatusCode::CREATED, Json(view)))
}

// Grants.

async fn own_grant(app: &App, user: &User, id: &GrantId) -> Result<Grant, Problem> {
    let grant = app.store.grant(&app.tenant_id, id).await?;
    grant.filter(|grant| grant.user_id == user.id).ok_or(Problem::NotFound)
}

async fn view(app: &App, grant: Grant) -> Answer<Json<GrantView>> {
    Ok(Json(GrantView::load(&app.store, grant, app.clock.now()).await?))
}

async fn grants(State(app): State<App>, headers: HeaderMap) -> Answer<Json<Vec<GrantView>>> {
    let user = caller::reading(&app, &headers).await?;
    let mut views = Vec::new();
    for grant in app.store.grants_of(&app.tenant_id, &user.id).await? {
        views.push(GrantView::load(&app.store, grant, app.clock.now()).await?);
    }
    Ok(Json(views))
}

async fn grant(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<Json<GrantView>> {
    let user = caller::reading(&app, &headers).await?;
    let grant = own_grant(&app, &user, &GrantId::new(id)).await?;
    view(&app, grant).await
}

async fn revoke(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<Json<GrantView>> {
    let (user, id) = (caller::changing(&app, &headers).await?, GrantId::new(id));
    own_grant(&app, &user, &id).await?;
    let revoked = Happened::GrantRevoked {
        reason: RevocationReason::ByUser,
    };
    let grant = app
        .store
        .revoke_grant(&id, &event(&app, &user, Some(&id), revoked))
        .await?;
    app.gateway.grant_changed(&id);
    view(&app, grant.ok_or(Problem::NotFound)?).await
}

async fn pause(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<Json<GrantView>> {
    let (user, id) = (caller::changing(&app, &headers).await?, GrantId::new(id));
    own_grant(&app, &user, &id).await?;
    let grant = app
        .store
        .pause_grant(
            &id,
            &event(
                &app,
                &user,
                Some(&id),
                Happened::GrantPaused {
                    reason: PauseReason::ByUser,
                },
            ),
        )
        .await?;
    app.gateway.grant_changed(&id);
    view(&app, grant.ok_or(Problem::NotFound)?).await
}

async fn resume(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer<Json<GrantView>> {
    let (user, id) = (caller::changing(&app, &headers).await?, GrantId::new(id));
    own_grant(&app, &user, &id).await?;
    let grant = app
        .resume_grant(&id, &event(&app, &user, Some(&id), Happened::GrantResumed))
        .await?;
    app.gateway.grant_changed(&id);
    view(&app, grant.ok_or(Problem::NotFound)?).await
}

// Audit.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    before: Option<i64>,
    limit: Option<u32>,
}

async fn audit(State(app): State<App>, Query(page): Query<Before>, headers: HeaderMap) -> Answer {
    let user = caller::reading(&app, &headers).await?;
    let limit = page.limit.unwrap_or(50);
    if limit == 0 || limit > MOST_EVENTS {
        return Err(Problem::Invalid {
            field: "limit",
            text: format!("1 to {MOST_EVENTS}"),
        });
    }
    let records = app
        .store
        .events_of(
            &app.tenant_id,
            &user.id,
            Page {
                before: page.before,
                limit,
            },
        )
        .await?;
    let shown = records.iter().map(|record| {
        let event = &record.event;
        json!({ "sequence": record.sequence, "at": event.at, "actor": event.actor.to_text(), "grant_id": event.grant_id, "what": event.what })
    });
    Ok(Json(shown.collect()))
}
