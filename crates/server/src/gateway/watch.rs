//! The gateway's one background task: it ends calls that may not go on, and tidies up.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use aipassport_domain::{ids::GrantId, policy::Denial};
use aipassport_store::StoreError;
use futures_util::FutureExt;
use tokio::time::{sleep, timeout};

use super::live::{Ending, LiveCall};
use crate::app::App;

/// How often calls under way are looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// What has not been confirmed for so long is no longer believed (`security.md`, rule 9).
const LONGEST_UNCONFIRMED: Duration = Duration::from_secs(2);
/// Before the server gives up on its connections, they are told that it does.
const BEFORE_DRAINED: Duration = Duration::from_secs(1);

/// Watches over the calls under way until the broker has stopped. To be run once, beside the server.
pub async fn watch(app: &App) {
    tokio::join!(watch_calls(app), tidy(app));
    app.gateway.refusals.flush(app).await;
}

async fn watch_calls(app: &App) {
    let mut confirmed_at = Instant::now();
    while !app.shutdown.is_cancelled() {
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = app.gateway.live.changed.notified() => {}
            () = app.shutdown.cancelled() => break,
        }
        // Revocation must not depend on nothing ever going wrong in here.
        let looked = AssertUnwindSafe(look(app, &mut confirmed_at)).catch_unwind().await;
        if looked.is_err() {
            tracing::error!("a fault while watching over calls");
        }
    }
    drain(app, &mut confirmed_at).await;
}

async fn tidy(app: &App) {
    while !app.shutdown.is_cancelled() {
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = app.shutdown.cancelled() => {}
        }
        app.gateway.upstream.close_stale();
        app.gateway.refusals.flush(app).await;
    }
}

/// Lets calls end by themselves while there is time, and ends the rest.
async fn drain(app: &App, confirmed_at: &mut Instant) {
    let time = app.config.requests.drain_timeout.saturating_sub(BEFORE_DRAINED);
    let until = Instant::now() + time;
    while Instant::now() < until && !app.gateway.live.all().is_empty() {
        sleep(INTERVAL.min(time)).await;
        look(app, confirmed_at).await;
    }
    for call in app.gateway.live.all() {
        call.end(Ending::Unavailable);
    }
}

async fn look(app: &App, confirmed_at: &mut Instant) {
    let calls = app.gateway.live.all();
    if calls.is_empty() {
        *confirmed_at = Instant::now();
        return;
    }
    for call in &calls {
        end_if_still(app, call);
    }
    match timeout(LONGEST_UNCONFIRMED, confirm(app, &calls)).await {
        Ok(Ok(())) => *confirmed_at = Instant::now(),
        failed => {
            tracing::error!(cause = ?failed, "cannot confirm the grants of calls under way");
            if confirmed_at.elapsed() >= LONGEST_UNCONFIRMED {
                for call in &calls {
                    call.end(Ending::Unavailable);
                }
            }
        }
    }
}

/// A call that no longer moves holds a place and money for nothing, whoever it is that waits.
fn end_if_still(app: &App, call: &LiveCall) {
    let limits = &app.config.upstreams;
    let is_still = call.still_for().is_some_and(|still| still > limits.idle_timeout);
    if is_still || call.has_run_for() > limits.total_timeout {
        call.end(Ending::TimedOut);
    }
}

/// Decides every call again, on its grant as it is now.
async fn confirm(app: &App, calls: &[Arc<LiveCall>]) -> Result<(), StoreError> {
    let mut by_grant: HashMap<&GrantId, Vec<&Arc<LiveCall>>> = HashMap::new();
    for call in calls {
        by_grant.entry(call.grant_id()).or_default().push(call);
    }
    let ids: Vec<GrantId> = by_grant.keys().map(|id| (*id).clone()).collect();
    let versions = app.store.versions(&app.tenant_id, &ids).await?;

    for (id, calls) in by_grant {
        let version = versions.iter().find(|(of, _)| of == id).map(|(_, version)| *version);
        let is_current = |call: &&Arc<LiveCall>| Some(call.snapshot().grant().version) == version;
        let newer = if calls.iter().all(is_current) {
            None
        } else {
            Some(app.gateway.grants.load(app, id).await?)
        };
        for call in calls {
            match &newer {
                None => call.decide_again(app.clock.now()),
                Some(Some(snapshot)) => {
                    call.set_snapshot(Arc::clone(snapshot));
                    call.decide_again(app.clock.now());
                    end_if_key_is_gone(app, call).await?;
                }
                Some(None) => call.end(Ending::Denied(Denial::GrantRevoked)),
            }
        }
    }
    Ok(())
}

/// A key that was replaced may finish what it began; one that was removed may do nothing more.
async fn end_if_key_is_gone(app: &App, call: &LiveCall) -> Result<(), StoreError> {
    if let Some(id) = call.replaced_credential()
        && app.store.credential(&app.tenant_id, id).await?.is_none()
    {
        call.end(Ending::CredentialRemoved);
    }
    Ok(())
}
