//! JSON for programs: AIPassport 0.2's surface, kept and made safe, in `v0_2/`.

use axum::Router;

use crate::app::App;

mod v0_2;

pub fn routes() -> Router<App> {
    v0_2::routes()
}
