//! Redeeming an authorization code (RFC 6749, section 4.1.3).
//!
//! Everything is checked before the code is consumed, so that a guess does not burn somebody's code;
//! but guesses are counted, and the third one does. A code that comes back after it was redeemed has
//! been stolen, or its client is out of order: everything that came of it ends at once (RFC 6749,
//! section 4.1.2). All refusals read the same.

use aipassport_domain::{client::Client, secret::SecretHash, time::Timestamp};
use aipassport_store::{CodeRecord, Redemption};
use serde_json::Value;

use super::{answer, check_details, new_refresh_token, tokens_issued};
use crate::{
    app::App,
    oauth::{OAuthError, parameters::Parameters, pkce, resource},
};

const REFUSED: OAuthError = OAuthError::InvalidGrant("the authorization code is unknown, used, expired or not yours");

pub(super) async fn redeem(app: &App, client: &Client, parameters: &Parameters) -> Result<Value, OAuthError> {
    let now = app.clock.now();
    let presented = Presented::read(parameters)?;
    let hash = app.vault.hash(presented.code);
    let code = find(app, client, &hash, now).await?;

    if !presented.fits(client, &code) {
        app.store
            .count_code_failure(&app.tenant_id, &hash, &client.id, now)
            .await
            .map_err(OAuthError::internal)?;
        // It may have been redeemed in this very moment, and then this was a replay.
        app.gateway.grant_changed(&code.grant_id);
        return Err(REFUSED);
    }
    check_details(parameters, &code.approved.authorization_details)?;
    let audience = resource::narrowed(app, code.resource.as_deref(), parameters.get("resource"))?;

    let (refresh_token, new) = new_refresh_token(app, now);
    let event = tokens_issued(app, client, &code.grant_id, now);
    match app.store.redeem_code(&hash, Some(&new), &event).await {
        Ok(Redemption::Redeemed(grant)) => answer(app, &grant, audience, &refresh_token, now),
        Ok(Redemption::Replayed | Redemption::Gone) => {
            app.gateway.grant_changed(&code.grant_id);
            Err(REFUSED)
        }
        Err(error) => Err(OAuthError::internal(error)),
    }
}

/// What the client shows beside itself.
struct Presented<'a> {
    code: &'a str,
    redirect_uri: &'a str,
    code_verifier: &'a str,
}

impl<'a> Presented<'a> {
    fn read(parameters: &'a Parameters) -> Result<Self, OAuthError> {
        Ok(Self {
            code: parameters.required("code")?,
            redirect_uri: parameters.required("redirect_uri")?,
            code_verifier: parameters.required("code_verifier")?,
        })
    }

    /// Whether the code was issued to this client, for this address, to whoever knows the verifier.
    fn fits(&self, client: &Client, code: &CodeRecord) -> bool {
        code.client_id == client.id
            && code.redirect_uri == self.redirect_uri
            && pkce::fits(self.code_verifier, &code.code_challenge)
    }
}

/// A code that can still be redeemed. One that was redeemed before ends what came of it, whoever
/// brings it and with whatever verifier.
async fn find(app: &App, client: &Client, hash: &SecretHash, now: Timestamp) -> Result<CodeRecord, OAuthError> {
    let code = app
        .store
        .code(&app.tenant_id, hash)
        .await
        .map_err(OAuthError::internal)?
        .ok_or(REFUSED)?;
    if code.redeemed_at.is_some() {
        app.store
            .replay_code(&app.tenant_id, hash, &client.id, now)
            .await
            .map_err(OAuthError::internal)?;
        app.gateway.grant_changed(&code.grant_id);
        return Err(REFUSED);
    }
    if code.is_burnt() || now >= code.expires_at {
        return Err(REFUSED);
    }
    Ok(code)
}
