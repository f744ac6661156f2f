//! JSON for programs: what the pages do (`own.rs`, `app_keys.rs`), and AIPassport 0.2's surface, kept and made
//! safe (`v0_2/`).

use axum::Router;

use crate::app::App;

mod app_keys;
mod health;
mod own;
mod problem;
mod v0_2;

pub fn routes() -> Router<App> {
    health::routes()
        .merge(own::routes())
        .merge(app_keys::routes())
        .merge(v0_2::routes())
}
