//! JSON for programs.

mod v0_2;
