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
//! ```
//!
//! `TOKENS` is a file with an access token a line. Of several, each is used once.

mod client;
mod report;
mod upstream;
mod wire;

use std::{io, net::SocketAddr, process::ExitCode};

use client::{Kind, Load};

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
        ["rate", address, path, tokens, seconds, connections, rate] => {
            let kind = Kind::Rate(parsed(rate)?);
            measure(kind, address, path, tokens, parsed(seconds)?, parsed(connections)?).await
        }
        [
            kind @ ("closed" | "burst" | "paced"),
            address,
            path,
            tokens,
            seconds,
            connections,
        ] => {
            let kind = match kind {
                "burst" => Kind::Burst,
                "paced" => Kind::Paced,
                _ => Kind::Closed,
            };
            measure(kind, address, path, tokens, parsed(seconds)?, parsed(connections)?).await
        }
        _ => Err(io::Error::other("see the head of main.rs for how to call this")),
    }
}

async fn measure(
    kind: Kind,
    address: &str,
    path: &str,
    tokens: &str,
    seconds: u64,
    connections: usize,
) -> io::Result<()> {
    let tokens = std::fs::read_to_string(tokens)?;
    let load = Load {
        kind,
        address: parsed::<SocketAddr>(address)?,
        path: path.to_owned(),
        tokens: tokens.lines().map(str::to_owned).collect(),
        seconds,
        connections,
    };
    report::print(&load.run().await?)
}

fn parsed<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse()
        .map_err(|_| io::Error::other(format!("{text:?} is not what belongs there")))
}

fn failed(error: &io::Error) -> ExitCode {
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("load: {error}\n"));
    ExitCode::FAILURE
}
