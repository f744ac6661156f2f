//! Threats that belong to no single part: what an attacker tries against the broker as a whole.

mod command_line;
mod database;
mod flooding;
mod framing;
mod guessing;
mod memory;
mod other_users;
mod panics;
mod pictures;
mod slow_clients;
mod stolen_session;
