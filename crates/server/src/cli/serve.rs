//! `aipassport serve`: the broker, until it is told to stop.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::{
    broker::Broker,
    clock::Clock,
    config::load::{self, Arguments, ServeArguments},
    random::Random,
    telemetry,
};

pub(super) async fn run(
    arguments: &Arguments,
    serving: &ServeArguments,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<(), Failure> {
    let config = load::load_for_serving(arguments, serving)?;
    telemetry::start(config.log.format, &config.log.filter).map_err(Failure::Said)?;
    let broker = Broker::start(config, clock, random).await?;
    let config = &broker.app().config;
    tracing::info!(listen = %config.listen, public_url = config.public_url, "ready");
    broker.run(stop_signal()).await;
    Ok(())
}

/// Cancelled by the first SIGINT or SIGTERM.
pub(super) fn stop_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "it waits for the signal that shutdown begins with"
    )]
    tokio::spawn(async move {
        wait_for_signal().await;
        stopped.cancel();
    });
    stop
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    let _ = tokio::signal::ctrl_c().await;
}
