//! The client behind a grant request: a registered one, or an app that only named itself.

use std::net::IpAddr;

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    client::{Client, ClientAuthentication, Registration},
    ids::ClientId,
};
use aipassport_store::StoreError;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderMap;

use super::error::Error;
use crate::{
    app::App,
    client_secret::{authentic, basic},
};

/// A registered client that proved who it is; `None` where nothing was shown.
///
/// A public client cannot prove it, and here has no redirect URI that would: whoever knew its id
/// could ask in its name. It uses the authorization endpoint.
pub(super) async fn registered(
    app: &App,
    headers: &HeaderMap,
    client_id: Option<&str>,
    place: Option<IpAddr>,
) -> Result<Option<Client>, Error> {
    let Some(presented) = basic(headers).map_err(|_| Error::NotAuthentic)? else {
        return client_id.map_or(Ok(None), |_| Err(Error::NotAuthentic));
    };
    let client = authentic(app, &presented, place).await?;
    Some(client)
        .filter(|client| client.authentication != ClientAuthentication::None && client.disabled_at.is_none())
        .filter(|client| client_id.is_none_or(|named| named == client.id.as_str()))
        .map(Some)
        .ok_or(Error::NotAuthentic)
}

/// The client of an app that names itself. The same name and address are the same client, so that
/// asking often leaves one trace, and one that was disabled stays so.
pub(super) async fn unverified(app: &App, name: String, address: String) -> Result<Client, Error> {
    if app.config.registration.required {
        return Err(Error::NotRegistered);
    }
    let fingerprint = app.vault.hash(&format!("unverified client\n{address}\n{name}"));
    let id = ClientId::new(format!("app-{}", BASE64_URL_SAFE_NO_PAD.encode(fingerprint.0)));
    if let Some(known) = app.store.client(&app.tenant_id, &id).await? {
        return enabled(known);
    }
    let now = app.clock.now();
    let client = Client {
        id,
        tenant_id: app.tenant_id.clone(),
        name,
        address,
        redirect_uris: Vec::new(),
        authentication: ClientAuthentication::None,
        registration: Registration::Unverified,
        created_at: now,
        disabled_at: None,
    };
    let event = AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: now,
        actor: Actor::Nobody,
        user_id: None,
        grant_id: None,
        what: Happened::ClientAdded {
            client_id: client.id.clone(),
            name: client.name.clone(),
        },
    };
    match app.store.add_client(&client, &event).await {
        // Somebody else asked for the same app at the same time.
        Ok(()) | Err(StoreError::Taken) => Ok(client),
        Err(error) => Err(error.into()),
    }
}

fn enabled(client: Client) -> Result<Client, Error> {
    if client.disabled_at.is_none() {
        Ok(client)
    } else {
        Err(Error::NotAuthentic)
    }
}
