//! Apps: what each may do, what it spends, and how to stop it.
//!
//! `list.rs` is the page of all, `detail.rs` that of one; `figures.rs` reads what both show;
//! `actions.rs` stops, pauses and resumes; `limits.rs` changes what is allowed. A grant that is
//! another user's is not there.

mod actions;
mod detail;
mod figures;
mod limits;
mod list;
#[cfg(test)]
pub(super) mod samples;
mod view;

use aipassport_domain::{grant::Grant, ids::GrantId};

use super::error::PageError;
use crate::{app::App, browser_session::SignedIn};
pub(super) use actions::{pause, pause_all, resume, stop};
pub(super) use detail::{base_url, show as show_one};
pub(super) use figures::{Standing, face};
pub(super) use limits::{change, show as show_limits};
pub(super) use list::show;

/// The user's own grant of that id.
pub(super) async fn own_grant(app: &App, signed_in: &SignedIn, id: &str) -> Result<Grant, PageError> {
    let grant = app.store.grant(&app.tenant_id, &GrantId::new(id)).await?;
    grant
        .filter(|grant| grant.user_id == signed_in.user.id)
        .ok_or(PageError::NotFound)
}

/// What the address bar's `done` stands for; anything else is not repeated on a page.
fn notice(query: Option<&str>) -> Option<&'static str> {
    match query?.strip_prefix("done=")? {
        "stopped" => Some("Stopped. What it had open ends within 2 seconds."),
        "paused" => Some("Paused. It can do nothing until you resume it."),
        "all-paused" => Some("Everything is paused. Nothing can be spent until you resume an app."),
        "resumed" => Some("Resumed. It can go on within its limits."),
        "limits" => Some("The new limits hold from the next call on."),
        _ => None,
    }
}
