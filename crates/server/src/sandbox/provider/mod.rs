//! The sandbox provider: one HTTP server that speaks the wire formats of several AI providers, each
//! under its own name (`http://127.0.0.1:PORT/openai/v1/…`), and keeps its own bill.
//!
//! A call goes through these files in order: `connection.rs` takes it off the wire; `calls.rs`
//! routes it; `switches.rs` reads what it is asked to do differently; the folder of its provider
//! reads the request; `answer.rs` decides what to answer and what it costs; the same folder writes
//! it as JSON or, through `stream.rs`, as events; `faults.rs` and `raw.rs` spoil it on request;
//! `bill.rs` writes it down. A further provider is a further folder with a [`protocol::Protocol`].

mod answer;
mod bill;
mod calls;
mod catalogue;
mod connection;
mod faults;
mod own_pages;
mod protocol;
mod raw;
mod stream;
mod switches;
mod tools;
mod words;

mod anthropic;
mod cohere;
mod gemini;
mod mistral;
mod ollama;
mod openai;
mod openai_compatible;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    sync::{Arc, atomic::AtomicU64},
};

use tokio::net::TcpListener;

use self::{bill::Books, catalogue::Catalogue, words::Passages};
pub use self::{
    bill::{Bill, Ending, Row, SeenRequest, Totals},
    catalogue::{Rates, SandboxModel, Tier, UnitPrices},
    switches::HELP as SWITCHES_HELP,
};

/// What the sandbox offers and how strict it is.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// The models on offer, with what they cost. Others are answered as the provider answers a
    /// model it does not have.
    pub models: Vec<SandboxModel>,
    /// The only keys that are accepted; where there are none, any key is, but none at all is not.
    pub required_keys: Vec<String>,
    /// How many rows of the bill are kept; the totals go on.
    pub most_rows: usize,
    /// How many of the last requests are kept whole, for tests that look at what was sent.
    pub most_requests: usize,
    pub most_connections: usize,
    pub body_limit: usize,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            models: catalogue::usual_models(),
            required_keys: Vec::new(),
            most_rows: 50_000,
            most_requests: 0,
            most_connections: 4096,
            body_limit: 32 * 1024 * 1024,
        }
    }
}

/// A sandbox provider, and its books while and after it serves.
#[derive(Clone)]
pub struct Sandbox(Arc<Parts>);

struct Parts {
    catalogue: Catalogue,
    passages: Passages,
    required_keys: Vec<String>,
    most_connections: usize,
    body_limit: usize,
    books: Arc<Books>,
    /// Numbers the requests.
    requests: AtomicU64,
}

impl Sandbox {
    pub fn new(options: SandboxOptions) -> Self {
        Self(Arc::new(Parts {
            catalogue: Catalogue::new(options.models),
            passages: Passages::new(),
            required_keys: options.required_keys,
            most_connections: options.most_connections,
            body_limit: options.body_limit,
            books: Arc::new(Books::new(options.most_rows, options.most_requests)),
            requests: AtomicU64::new(0),
        }))
    }

    /// Answers on `listener` until `shutdown`, then drops what is open.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        connection::accept_all(self.0.clone(), listener, shutdown).await
    }

    /// Everything billed so far.
    pub fn bill(&self) -> Bill {
        self.0.books.bill(0)
    }

    /// What was requested how often, as `POST /openai/v1/responses`.
    pub fn seen(&self) -> BTreeMap<String, u64> {
        self.0.books.seen()
    }

    /// The last requests whole, oldest first, as far as [`SandboxOptions::most_requests`] keeps them.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.0.books.requests()
    }

    /// How many answers are being generated.
    pub fn open_calls(&self) -> u64 {
        self.0.books.open_calls()
    }

    /// Forgets the bill and what was seen. Calls that are still open are not billed any more.
    pub fn reset(&self) {
        self.0.books.reset();
    }
}

/// Serves a new sandbox provider on `listener` until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    options: SandboxOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    Sandbox::new(options).serve(listener, shutdown).await
}
