//! What the broker does by itself: resolving what a crash left behind, and showing that it lives.

use std::time::Duration;

use aipassport_store::StoreError;

use crate::app::App;

/// Well below the bound after which another instance takes this one for dead.
const HEARTBEAT: Duration = Duration::from_secs(2);
const RECOVERY: Duration = Duration::from_secs(30);

/// Charges what an instance that died held, before the first call is admitted.
pub async fn recover(app: &App) -> Result<(), StoreError> {
    todo!()
}

/// Starts what goes on until shutdown.
pub fn start(app: &App) {
    todo!()
}
