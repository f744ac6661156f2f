//! JSON for programs.

mod limits;
mod v0_2;
