//! Connecting an AI account: to the broker with a request, back from it with a code.

use aipassport_domain::secret::Secret;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    CALLBACK_PATH, SampleAppOptions,
    account::Accounts,
    broker::BrokerError,
    random::{NoRandomness, code_challenge, secret_text},
    visitors::{PendingConnection, Visitor},
};

#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("You said no, which is fine. Jotter has no AI then.")]
    Denied,
    #[error("AIPassport could not connect you: {0}.")]
    Refused(String),
    #[error("This is not the answer to a question Jotter asked. Please connect again.")]
    NotAsked,
    #[error("AIPassport could not connect you: {0}.")]
    Broker(#[from] BrokerError),
    #[error("Jotter could not begin: {0}.")]
    NoRandomness(#[from] NoRandomness),
}

/// What the broker sends the browser back with (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Deserialize)]
pub(super) struct Callback {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

/// Where to send the browser; what is needed when it comes back is kept with the visitor.
pub(super) async fn authorization_url(accounts: &Accounts, visitor: &mut Visitor) -> Result<String, ConnectError> {
    let Accounts { options, broker } = accounts;
    let metadata = broker.metadata().await?;
    let (state, code_verifier) = (secret_text()?, secret_text()?);
    let mut url = Url::parse(&metadata.authorization_endpoint)
        .map_err(|_| BrokerError::Unexpected("its authorization endpoint is no address"))?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &options.client_id)
        .append_pair("redirect_uri", &redirect_uri(options))
        .append_pair("state", &state)
        .append_pair("code_challenge", &code_challenge(&code_verifier))
        .append_pair("code_challenge_method", "S256")
        .append_pair("authorization_details", &authorization_details(options));
    visitor.pending = Some(PendingConnection {
        state,
        code_verifier: Secret::new(code_verifier),
    });
    Ok(url.into())
}

/// Turns the broker's answer into tokens, kept with the visitor.
pub(super) async fn finish(accounts: &Accounts, visitor: &mut Visitor, callback: Callback) -> Result<(), ConnectError> {
    let Accounts { options, broker } = accounts;
    // Taken, so that an answer counts once; compared, so that it is the answer to this browser's question.
    let pending = visitor.pending.take().ok_or(ConnectError::NotAsked)?;
    if pending.state != callback.state {
        return Err(ConnectError::NotAsked);
    }
    // RFC 9207, section 2.4.
    if callback.iss.as_deref() != Some(broker.metadata().await?.issuer.as_str()) {
        return Err(ConnectError::NotAsked);
    }
    match (callback.code, callback.error.as_deref()) {
        (_, Some("access_denied")) => Err(ConnectError::Denied),
        (Some(code), None) => {
            let passport = broker
                .redeem(&code, &pending.code_verifier, &redirect_uri(options))
                .await?;
            visitor.passport = Some(passport);
            visitor.ended = None;
            Ok(())
        }
        (_, error) => {
            let reason = callback.error_description.or_else(|| error.map(str::to_owned));
            Err(ConnectError::Refused(
                reason.unwrap_or_else(|| "it did not say why".to_owned()),
            ))
        }
    }
}

fn redirect_uri(options: &SampleAppOptions) -> String {
    format!("{}{CALLBACK_PATH}", options.public_url)
}

/// What the app asks for (RFC 9396). The user may lower everything.
fn authorization_details(options: &SampleAppOptions) -> String {
    json!([{
        "type": "ai_access",
        "provider": options.provider.id(),
        "models": [options.model],
        "capabilities": ["chat"],
        "limits": {
            "budget": {"amount": "5.00", "currency": "USD", "per": "P1M"},
            "requests": {"max": 500, "per": "P1M"},
        },
        "purpose": "Summarise what you wrote today",
    }])
    .to_string()
}
