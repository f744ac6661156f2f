//! What an access token of ours says, and how long it lives.

use aipassport_domain::{
    access_token::AccessTokenClaims,
    authorization_details::{AiAccess, TYPE},
    grant::Grant,
    time::Timestamp,
};
use serde_json::{Value, json};

use super::SigningError;
use crate::app::App;

/// A longer copy of what was granted would make the token too long for some servers' headers.
const LONGEST_DETAILS: usize = 2048;

/// An access token about to be handed out.
pub struct AccessToken {
    pub token: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

impl AccessToken {
    pub fn lifetime_seconds(&self) -> i64 {
        self.expires_at.seconds() - self.issued_at.seconds()
    }
}

/// Issues an access token of `grant` for `audience` that does not outlive the grant.
pub fn issue_access_token(
    app: &App,
    grant: &Grant,
    audience: String,
    now: Timestamp,
) -> Result<AccessToken, SigningError> {
    let expires_at = now.plus_seconds(app.config.tokens.access_seconds).min(grant.expires_at);
    let claims = AccessTokenClaims {
        iss: app.config.public_url.clone(),
        aud: audience,
        sub: app.vault.pairwise_subject(&grant.user_id, &grant.client_id),
        client_id: grant.client_id.clone(),
        exp: expires_at.seconds(),
        iat: now.seconds(),
        nbf: None,
        jti: app.random.id(now),
        grant_id: grant.id.clone(),
        authorization_details: compact_details(&grant.authorization_details),
    };
    Ok(AccessToken {
        token: app.signing.issue(&claims)?,
        issued_at: now,
        expires_at,
    })
}

/// What was granted; where that is long, only to which providers. The client has the whole of it
/// from the token response.
fn compact_details(details: &[AiAccess]) -> Value {
    let whole = serde_json::to_value(details).unwrap_or_default();
    if whole.to_string().len() <= LONGEST_DETAILS {
        return whole;
    }
    let providers = details
        .iter()
        .map(|access| json!({"type": TYPE, "provider": access.provider}));
    providers.collect()
}
