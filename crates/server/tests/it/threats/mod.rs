//! Threats that belong to no single part: what an attacker tries against the broker as a whole.

mod guessing;
mod slow_clients;
