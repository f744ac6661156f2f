//! The program: the machine's clock and randomness, handed to the command line.

use std::{process::ExitCode, sync::Arc};

use aipassport::{cli, clock::SystemClock, random::SystemRandom};

fn main() -> ExitCode {
    cli::run(Arc::new(SystemClock), Arc::new(SystemRandom))
}
