//! `POST /grant-requests`: an app asks for access.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    authorization_details::AiAccess,
    client::Client,
    consent::{AuthorizationRequest, Door, RequestState},
    ids::{AuthorizationRequestId, GrantId},
};
use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, header};
use serde_json::json;

use super::{
    app_client::{registered, unverified},
    body::Members,
    error::Error,
    find::Found,
    scope::Scope,
    usage::Usage,
    view::{ShownGrant, ShownRequest},
};
use crate::{app::App, peer};

/// How long a user may take to decide.
const REQUEST_SECONDS: i64 = 3600;
const LONGEST_NAME: usize = 80;
const LONGEST_URL: usize = 2000;
/// As of `purpose` in authorization details.
const LONGEST_REASON: usize = 280;

pub(super) async fn ask(State(app): State<App>, request: Request<Body>) -> Result<Response, Error> {
    let headers = request.headers().clone();
    let place = peer::of(&app, &headers, request.extensions());
    let mut body = Members::of(&app, request).await?;
    let client_id: Option<String> = body.take("client_id");
    let client = registered(&app, &headers, client_id.as_deref(), place).await?;
    let names = app_names(&mut body, client.as_ref());
    let reason = body.take_text("reason", LONGEST_REASON);
    let asked = asked(&mut body, reason.as_deref());
    body.finish()?;
    let (Some(reason), Some(asked)) = (reason, asked) else {
        return Err(Error::NotJson);
    };
    let client = match (client, names) {
        (Some(client), _) => client,
        (None, Some((name, address))) => {
            app.strangers.admit(place, app.clock.now())?;
            unverified(&app, name, address).await?
        }
        (None, None) => return Err(Error::NotJson),
    };

    let request_secret = app.random.secret("aip_rs_");
    let door = Door::GrantRequest {
        request_secret: app.vault.hash(request_secret.expose()),
        reason,
    };
    let request = open(&app, &client, door, asked).await?;
    let answer = json!({
        "grantRequest": ShownRequest::of(&request, &client.name, &client.address),
        "consentUrl": format!("{}/consent/{}", app.config.public_url, request.id),
        "requestSecret": request_secret.expose(),
        "grant": ShownGrant::of(&pending(request, client), app.clock.now()),
    });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Name and address as the app gives them; of a registered client, what it was registered with
/// counts, and they may be left out.
fn app_names(body: &mut Members, client: Option<&Client>) -> Option<(String, String)> {
    if client.is_some() {
        let _: (Option<String>, Option<String>) = (body.take("appName"), body.take("appUrl"));
        return None;
    }
    let name = body.take_text("appName", LONGEST_NAME);
    let address = body.take_text("appUrl", LONGEST_URL);
    let is_web = |address: &str| {
        // A link to anything else would run in our page, or in somebody's mail program.
        url::Url::parse(address).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
        })
    };
    if address.as_deref().is_some_and(|address| !is_web(address)) {
        body.refuse("appUrl", "Invalid url: http or https");
    }
    name.zip(address)
}

fn asked(body: &mut Members, reason: Option<&str>) -> Option<AiAccess> {
    let scope: Scope = body.take_required("scope")?;
    scope
        .asked(reason.unwrap_or_default())
        .map_err(|text| body.refuse("scope", &text))
        .ok()
}

async fn open(app: &App, client: &Client, door: Door, asked: AiAccess) -> Result<AuthorizationRequest, Error> {
    let now = app.clock.now();
    let request = AuthorizationRequest {
        id: AuthorizationRequestId::new(app.random.id(now)),
        tenant_id: app.tenant_id.clone(),
        client_id: client.id.clone(),
        grant_id: GrantId::new(app.random.id(now)),
        door,
        asked: vec![asked],
        state: RequestState::Pending,
        created_at: now,
        expires_at: now.plus_seconds(REQUEST_SECONDS),
    };
    let event = AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: now,
        actor: Actor::Client(client.id.clone()),
        user_id: None,
        grant_id: None,
        what: Happened::GrantRequested {
            request_id: request.id.clone(),
            client_id: client.id.clone(),
        },
    };
    app.store.open_authorization_request(&request, &event).await?;
    Ok(request)
}

fn pending(request: AuthorizationRequest, client: Client) -> Found {
    Found {
        request,
        grant: None,
        app_name: client.name,
        app_url: client.address,
        usage: Usage::default(),
    }
}
