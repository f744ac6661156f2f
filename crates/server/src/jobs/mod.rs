//! What the broker does by itself: resolving what a crash left behind, and showing that it lives.

use aipassport_store::StoreError;

use crate::app::App;

/// Charges what an instance that died held, before the first call is admitted.
#[expect(clippy::unused_async, reason = "the ledger's recovery is on its way")]
pub async fn recover(_app: &App) -> Result<(), StoreError> {
    Ok(())
}

/// Starts what goes on until shutdown.
pub fn start(_app: &App) {}
