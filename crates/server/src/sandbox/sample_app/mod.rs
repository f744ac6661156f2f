//! Jotter, the demo's app: a notes page that borrows its reader's AI account to summarise a note.
//!
//! It is what any developer would write: standard OAuth (authorization code, PKCE, RFC 9396 details)
//! against the broker's published metadata, and a provider's own API behind another base URL. It
//! knows nothing of the broker's insides; `broker.rs` is its only way to it. Begin with `app.rs`.

mod account;
mod ai;
mod app;
mod broker;
mod connect;
mod left;
mod pages;
mod random;
mod refusal;
mod visitors;

#[cfg(test)]
mod tests;

use std::{future::Future, io};

use aipassport_domain::secret::Secret;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

/// The name to register the app under.
pub const NAME: &str = "Jotter";
/// Where the broker sends the browser back to, under the app's own address.
pub const CALLBACK_PATH: &str = "/connected";

/// Where the app is, where its broker is, and who it is there.
#[derive(Clone, Debug)]
pub struct SampleAppOptions {
    /// Where browsers reach the app, without a slash at the end. Its redirect URI is this and
    /// [`CALLBACK_PATH`]. On another host than the broker's (`localhost` beside `127.0.0.1`) each
    /// keeps its cookies to itself; ports do not part cookies.
    pub public_url: String,
    /// The broker's issuer: plain HTTP on loopback, without a slash at the end.
    pub broker_url: String,
    pub client_id: String,
    /// None for a public client.
    pub client_secret: Option<Secret>,
    pub provider: Provider,
    pub model: String,
    /// Whether the sandbox provider answers, so that prompts may set its pace.
    pub is_sandbox: bool,
}

/// Whose API the app speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    OpenAi,
    Anthropic,
}

impl Provider {
    pub fn id(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::Anthropic => "Anthropic",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SampleAppError {
    #[error("the sample app's broker must be a plain http:// address with nothing after the port: {0}")]
    BrokerUrl(String),
    #[error("the sample app cannot listen: {0}")]
    Listen(#[from] io::Error),
}

/// Serves the app on `listener` until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    options: SampleAppOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), SampleAppError> {
    let routes = app::routes(options)?;
    // Without it a streamed answer waits for the browser's acknowledgements.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
