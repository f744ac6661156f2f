//! `aipassport demo`: the whole story on this machine, with nothing to configure.

use clap::Args;

#[derive(Args)]
pub(super) struct Demo {}
