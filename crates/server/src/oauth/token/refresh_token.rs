//! Refreshing (RFC 6749, section 6): each refresh token is used once. One that is used again ends
//! its grant (RFC 9700, section 4.14.2), without grace: nothing tells a lost answer from a thief.

use aipassport_domain::{client::Client, consent::Door, grant::Grant, secret::SecretHash};
use aipassport_store::Rotation;
use serde_json::Value;

use super::{answer, check_details, new_refresh_token, tokens_issued};
use crate::{
    app::App,
    oauth::{OAuthError, parameters::Parameters, resource},
};

const REFUSED: OAuthError =
    OAuthError::InvalidGrant("the refresh token is unknown, used, expired, revoked or not yours");

pub(super) async fn rotate(app: &App, client: &Client, parameters: &Parameters) -> Result<Value, OAuthError> {
    let now = app.clock.now();
    let old = app.vault.hash(parameters.required("refresh_token")?);
    let grant = find(app, client, &old).await?;
    check_details(parameters, &grant.authorization_details)?;
    let audience = audience(app, &grant, parameters).await?;

    let (refresh_token, new) = new_refresh_token(app, now);
    let event = tokens_issued(app, client, &grant.id, now);
    match app.store.rotate_refresh_token(&old, &new, &event).await {
        Ok(Rotation::Rotated(_)) => answer(app, &grant, audience, &refresh_token, now),
        Ok(Rotation::Reused | Rotation::Gone) => {
            app.gateway.grant_changed(&grant.id);
            Err(REFUSED)
        }
        Err(error) => Err(OAuthError::internal(error)),
    }
}

/// The grant of the client's own token; whether both are still in force is the store's to say, in
/// the transaction that rotates.
async fn find(app: &App, client: &Client, hash: &SecretHash) -> Result<Grant, OAuthError> {
    let token = app
        .store
        .refresh_token(&app.tenant_id, hash)
        .await
        .map_err(OAuthError::internal)?
        .filter(|token| token.client_id == client.id)
        .ok_or(REFUSED)?;
    app.store
        .grant(&app.tenant_id, &token.grant_id)
        .await
        .map_err(OAuthError::internal)?
        .ok_or(REFUSED)
}

/// A refreshed token is for what the first one was for, or for one provider's path of it.
async fn audience(app: &App, grant: &Grant, parameters: &Parameters) -> Result<String, OAuthError> {
    let request = app
        .store
        .authorization_request_by_grant(&app.tenant_id, &grant.id)
        .await
        .map_err(OAuthError::internal)?;
    let granted = request.and_then(|request| match request.door {
        Door::AuthorizationCode { resource, .. } => resource,
        Door::GrantRequest { .. } => None,
    });
    resource::narrowed(app, granted.as_deref(), parameters.get("resource"))
}
