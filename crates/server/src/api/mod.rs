//! JSON for programs: what the pages do (`own.rs` and its siblings), and AIPassport 0.2's surface, kept and made
//! safe (`v0_2/`).

use axum::Router;

use crate::app::App;

mod alerts;
mod app_keys;
mod health;
mod limits;
mod own;
mod problem;
mod time_zone;
mod v0_2;
mod webhooks;

pub fn routes() -> Router<App> {
    health::routes()
        .merge(own::routes())
        .merge(alerts::routes())
        .merge(app_keys::routes())
        .merge(limits::routes())
        .merge(time_zone::routes())
        .merge(webhooks::routes())
        .merge(v0_2::routes())
}
