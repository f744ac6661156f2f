//! `aipassport sandbox-provider`: the local stand-in for every provider's API.

use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;

use super::{Failure, Output, serve::stop_signal};
use crate::sandbox::provider::{self, SWITCHES_HELP, SandboxOptions};

#[derive(Args)]
#[command(after_long_help = SWITCHES_HELP)]
pub(super) struct SandboxProvider {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "AIPASSPORT_SANDBOX_LISTEN",
        default_value = "127.0.0.1:8788",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    /// A key that is accepted; repeatable. Without one, any key is, but none at all is not
    #[arg(long, value_name = "KEY")]
    require_key: Vec<String>,
    /// How many of the last requests /sandbox/requests shows whole, prompts included
    #[arg(long, default_value_t = 0, value_name = "N")]
    keep_requests: usize,
}

impl SandboxProvider {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let refused = |error: std::io::Error| Failure::Said(format!("cannot listen on {}: {error}", self.listen));
        let listener = TcpListener::bind(self.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        output.print(&serde_json::json!({ "url": format!("http://{address}") }), |_| {
            format!("sandbox provider on http://{address}\nbase URLs: http://{address}/openai and http://{address}/anthropic\nits bill:  http://{address}/sandbox/bill")
        });
        let options = SandboxOptions {
            required_keys: self.require_key.clone(),
            most_requests: self.keep_requests,
            ..SandboxOptions::default()
        };
        let stop = stop_signal();
        let served = provider::serve(listener, options, async move { stop.cancelled().await }).await;
        served.map_err(|error| Failure::Said(error.to_string()))
    }
}
