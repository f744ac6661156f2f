//! Settings: what an operator may change, with a default for each.
//!
//! [`Config`] is what the rest of the program is handed. Where its values come from (command line,
//! environment, `aipassport.toml`, in that order) is decided in `load.rs`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use aipassport_domain::{consent::Defaults, ids::UserId, limits::Limits, money::Money, time::Period};
use aipassport_store::DatabaseUrl;

pub mod load;

#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where clients and browsers reach the broker; the OAuth issuer. No trailing slash.
    pub public_url: String,
    pub data_dir: PathBuf,
    pub database: DatabaseUrl,
    /// The key-encryption key: made at first start, readable by its owner alone.
    pub key_file: PathBuf,
    pub tls: Option<Tls>,
    /// Reverse proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    pub upstreams: Upstreams,
    pub webhooks: Webhooks,
    pub registration: Registration,
    pub strangers: Strangers,
    pub tokens: Tokens,
    /// What is filled in where neither client nor user set a limit.
    pub grants: Defaults,
    pub prices: Prices,
    pub requests: Requests,
    pub log: Log,
    /// Signed in by one click, without a password. Only the demo sets it, on loopback; no settings
    /// file can.
    pub one_click_user: Option<UserId>,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// In the syntax of `RUST_LOG`.
    pub filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Upstreams {
    /// `HOST:PORT` that a credential's base URL may name although it is not the provider's public
    /// one, or resolves to a private address.
    pub allow: Vec<String>,
    /// Base URLs that replace a provider's public one for every credential: (provider, URL).
    pub base_urls: Vec<(String, String)>,
    pub connect_timeout: Duration,
    /// From the request sent to the answer's head.
    pub answer_timeout: Duration,
    /// Between two pieces of an answer.
    pub idle_timeout: Duration,
    pub total_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct Webhooks {
    /// `HOST:PORT` that a webhook may name although it resolves to a private address. Not those of
    /// `upstreams`: a call to one of them reaches the paths of its capabilities alone, a webhook any.
    pub allow: Vec<String>,
    /// How long a receiver may take.
    pub answer_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct Registration {
    /// Whether an app must be registered to ask; otherwise one that only names itself may use
    /// `POST /grant-requests`, and is shown as unverified.
    pub required: bool,
}

/// How often those may ask from one address of whom nobody knows who they are.
#[derive(Clone, Copy, Debug)]
pub struct Strangers {
    pub requests: u64,
    pub per_seconds: u32,
}

#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_seconds: i64,
    pub code_seconds: i64,
    pub refresh_idle_seconds: i64,
}

#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// A grant is paused when a price of its models is by more than this above what it was when the
    /// grant was approved.
    pub pause_when_dearer_percent: u32,
}

#[derive(Clone, Debug)]
pub struct Requests {
    /// The largest body that is read.
    pub body_limit: usize,
    /// The largest form with a file in it. It passes through; only short ones, and those whose file
    /// comes first, are held in memory.
    pub upload_limit: usize,
    pub header_timeout: Duration,
    /// How long a body may take; also how long a client may read nothing of its answer.
    pub body_timeout: Duration,
    pub most_connections: usize,
    /// How much of them one address may take.
    pub connections_per_address_percent: usize,
    /// How many bodies of the largest size are held in memory at once, of one grant and of all.
    pub bodies_per_grant: usize,
    pub bodies_together: usize,
    /// How long calls under way may go on after the stop began.
    pub drain_timeout: Duration,
}

impl Config {
    /// Every default, for a broker on loopback with its data in `data_dir`.
    pub fn local(data_dir: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            public_url: "http://127.0.0.1:8787".to_owned(),
            database: DatabaseUrl::Sqlite(data_dir.join("aipassport.db")),
            key_file: data_dir.join("key"),
            data_dir,
            tls: None,
            trusted_proxies: Vec::new(),
            upstreams: Upstreams {
                allow: Vec::new(),
                base_urls: Vec::new(),
                connect_timeout: Duration::from_secs(10),
                answer_timeout: Duration::from_mins(5),
                idle_timeout: Duration::from_mins(2),
                total_timeout: Duration::from_hours(1),
            },
            webhooks: Webhooks {
                allow: Vec::new(),
                answer_timeout: Duration::from_secs(15),
            },
            registration: Registration { required: false },
            strangers: Strangers {
                requests: 60,
                per_seconds: 600,
            },
            tokens: Tokens {
                access_seconds: 600,
                code_seconds: 60,
                refresh_idle_seconds: 14 * 86_400,
            },
            grants: Defaults {
                limits: Limits {
                    budget: [(Some(Period::MONTH), Money::from_cents(500))].into(),
                    requests: [(Some(Period::MONTH), 10_000)].into(),
                    rate: [(Period::MINUTE, 600)].into(),
                    concurrency: Some(64),
                    output_tokens_per_request: None,
                },
                lifetime_seconds: 30 * 86_400,
                longest_lifetime_seconds: 365 * 86_400,
            },
            prices: Prices {
                pause_when_dearer_percent: 20,
            },
            requests: Requests {
                body_limit: 20 * 1024 * 1024,
                upload_limit: 26 * 1024 * 1024,
                header_timeout: Duration::from_secs(20),
                body_timeout: Duration::from_mins(1),
                most_connections: 4096,
                connections_per_address_percent: 25,
                bodies_per_grant: 4,
                bodies_together: 16,
                drain_timeout: Duration::from_secs(30),
            },
            log: Log {
                format: LogFormat::Text,
                filter: "info".to_owned(),
            },
            one_click_user: None,
        }
    }

    /// Whether browsers reach the broker over HTTPS, so that cookies can be `__Host-` ones.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}
