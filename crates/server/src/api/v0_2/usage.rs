//! What a grant has used, over its whole life.

use aipassport_domain::{ids::GrantId, money::Money};

use super::error::Error;
use crate::app::App;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) requests: u64,
    pub(super) spent: Money,
    pub(super) is_exhausted: bool,
}

impl Usage {
    pub(super) async fn of(_app: &App, _grant_id: &GrantId) -> Result<Self, Error> {
        Ok(Self::default())
    }
}
