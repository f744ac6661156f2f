//! The load of `scripts/bench`: an upstream that answers at next to no cost, and clients that measure.
//!
//! Both speak just enough HTTP/1.1 on plain sockets, in one thread, so that what is measured is what
//! stands between them. They are examples and not part of the product.
//!
//! ```text
//! load upstream  ADDRESS
//! load closed    ADDRESS PATH TOKENS SECONDS CONNECTIONS        as fast as the answers come
//! load rate      ADDRESS PATH TOKENS SECONDS CONNECTIONS RATE   so many a second, come what may
//! load burst     ADDRESS PATH TOKENS SECONDS CONNECTIONS        streams that arrive at once
//! load paced     ADDRESS PATH TOKENS SECONDS CONNECTIONS        streams with an event every 10 ms
//! load held      ADDRESS PATH TOKENS SECONDS CONNECTIONS        streams that stay open; a line says when all are
//! ```
//!
//! `PATH` says what is called (`calls.rs`). `TOKENS` is a file with an access token a line. Of several,
//! each is used once.

mod answers;
mod calls;
mod client;
mod held;
mod report;
mod upstream;
mod wire;

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use calls::Pace;
use client::Load;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(words: &[&str]) -> io::Result<()> {
    match *words {
        ["upstream", address] => upstream::serve(parsed(address)?).await,
        ["held", ref load @ ..] => report::print(&held::hold(read_load(Pace::Held, load)?).await?),
        ["rate", ref load @ .., rate] => {
            let rate = Some(parsed(rate)?);
            let load = read_load(Pace::Whole, load)?;
            report::print(&Load { rate, ..load }.run().await?)
        }
        [kind, ref load @ ..] => {
            let pace = match kind {
                "closed" => Pace::Whole,
                "burst" => Pace::Burst,
                "paced" => Pace::Paced,
                _ => return Err(usage()),
            };
            report::print(&read_load(pace, load)?.run().await?)
        }
        [] => Err(usage()),
    }
}

fn read_load(pace: Pace, words: &[&str]) -> io::Result<Load> {
    let [address, path, tokens, seconds, connections] = *words else {
        return Err(usage());
    };
    let tokens = std::fs::read_to_string(tokens)?;
    Ok(Load {
        pace,
        rate: None,
        address: parsed::<SocketAddr>(address)?,
        path: path.to_owned(),
        tokens: tokens.lines().map(str::to_owned).collect(),
        time: Duration::try_from_secs_f64(parsed(seconds)?).map_err(io::Error::other)?,
        connections: parsed(connections)?,
    })
}

fn usage() -> io::Error {
    io::Error::other("see the head of main.rs for how to call this")
}

fn parsed<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse()
        .map_err(|_| io::Error::other(format!("{text:?} is not what belongs there")))
}

fn failed(error: &io::Error) -> ExitCode {
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("load: {error}\n"));
    ExitCode::FAILURE
}
