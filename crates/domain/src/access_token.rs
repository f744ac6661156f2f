//! The claims of an access token (RFC 9068).

use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, GrantId};

/// A signed access token's claims, in the order they are written. Unknown members are ignored, as
/// RFC 7519, section 4 asks; duplicate ones are refused by the reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    pub iss: String,
    pub aud: String,
    /// Pairwise: differs from client to client for the same user.
    pub sub: String,
    pub client_id: ClientId,
    pub exp: i64,
    pub iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    pub jti: String,
    pub grant_id: GrantId,
    /// A compact copy for the client to read; what counts is the grant.
    pub authorization_details: serde_json::Value,
}
