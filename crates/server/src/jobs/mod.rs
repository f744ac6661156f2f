//! What the broker does by itself: resolving what a crash left behind, showing that it lives, sweeping
//! away what nobody can use any more, looking out for prices that have risen, and sending what is due
//! for webhooks.

use std::time::{Duration, Instant};

use aipassport_domain::time::Timestamp;
use aipassport_store::{DatabaseUrl, StoreError};

use crate::app::App;

mod webhooks;

const HEARTBEAT: Duration = Duration::from_secs(2);
const BETWEEN_SWEEPS: Duration = Duration::from_hours(1);
const BETWEEN_PRICE_CHECKS: Duration = Duration::from_hours(24);
/// An instance that was not seen for so long is dead, and its holds are orphans. Far above the
/// heartbeat: a machine that sleeps a moment must not lose its calls.
const SILENCE_SECONDS: i64 = 60;

/// Charges what an instance that died held, before the first call is admitted.
///
/// One SQLite file has one broker (it holds the lock file), so that every hold of another is an
/// orphan. On PostgreSQL others may live: only those that have gone silent are resolved, now and
/// with every heartbeat.
pub async fn recover(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    app.store.heartbeat(now).await?;
    let charged = match app.config.database {
        DatabaseUrl::Sqlite(_) => app.store.recover_all_others(now).await?,
        DatabaseUrl::Postgres(_) => app.store.recover_silent(silent_since(now), now).await?,
    };
    if charged > 0 {
        tracing::warn!(charged, "holds that a crash left behind were charged in full");
    }
    Ok(())
}

/// Does all of it until shutdown.
pub async fn run(app: &App) {
    tokio::join!(live(app), guard_prices(app), webhooks::run(app));
}

/// Shows every two seconds that this instance lives, and sweeps every hour.
async fn live(app: &App) {
    let mut swept_at = Instant::now();
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        if let Err(error) = beat(app).await {
            tracing::error!(%error, "the heartbeat failed");
        }
        if swept_at.elapsed() >= BETWEEN_SWEEPS {
            swept_at = Instant::now();
            if let Err(error) = app.store.sweep(&app.tenant_id, app.clock.now()).await {
                tracing::error!(%error, "sweeping failed");
            }
        }
    }
}

/// Looks for prices that have risen, now and every day. The snapshot is this program's: they rise when
/// it is replaced.
async fn guard_prices(app: &App) {
    loop {
        if let Err(error) = app.guard_prices().await {
            tracing::error!(%error, "cannot look for prices that have risen");
        }
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(BETWEEN_PRICE_CHECKS) => {}
        }
    }
}

async fn beat(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    app.store.heartbeat(now).await?;
    if matches!(app.config.database, DatabaseUrl::Postgres(_)) {
        app.store.recover_silent(silent_since(now), now).await?;
    }
    Ok(())
}

/// The last moment at which a living instance must have been seen.
pub fn silent_since(now: Timestamp) -> Timestamp {
    now.plus_seconds(-SILENCE_SECONDS)
}
