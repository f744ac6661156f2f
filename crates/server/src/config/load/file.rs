//! The settings file. Its sections mirror [`Config`]; what is left out keeps its default.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use aipassport_domain::{limits::Limits, money::Money, time::Period};
use serde::Deserialize;

use super::{ConfigError, database, host_and_port, public_url, set};
use crate::config::{Config, LogFormat, Strangers, Tls};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "named as in the file")]
pub(super) struct File {
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    pub(super) data_dir: Option<PathBuf>,
    database_url: Option<String>,
    key_file: Option<PathBuf>,
    trusted_proxies: Vec<IpAddr>,
    tls: Option<FileTls>,
    upstreams: FileUpstreams,
    webhooks: FileWebhooks,
    registration: FileRegistration,
    strangers: FileStrangers,
    tokens: FileTokens,
    grants: FileGrants,
    prices: FilePrices,
    requests: FileRequests,
    log: FileLog,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTls {
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileUpstreams {
    allow: Vec<String>,
    base_urls: BTreeMap<String, String>,
    connect_timeout_seconds: Option<u64>,
    answer_timeout_seconds: Option<u64>,
    idle_timeout_seconds: Option<u64>,
    total_timeout_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileWebhooks {
    allow: Vec<String>,
    answer_timeout_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileRegistration {
    required: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileStrangers {
    rate: Option<FileRate>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "named as in the file")]
struct FileTokens {
    access_seconds: Option<u32>,
    code_seconds: Option<u32>,
    refresh_idle_seconds: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileGrants {
    budget: Option<FileBudget>,
    requests: Option<FileCap>,
    rate: Option<FileRate>,
    concurrency: Option<u32>,
    output_tokens_per_request: Option<u64>,
    lifetime_seconds: Option<u32>,
    longest_lifetime_seconds: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FilePrices {
    pause_when_dearer_percent: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBudget {
    amount: Money,
    per: Option<Period>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCap {
    max: u64,
    per: Option<Period>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRate {
    requests: u64,
    per: Period,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileRequests {
    body_limit_bytes: Option<usize>,
    upload_limit_bytes: Option<usize>,
    header_timeout_seconds: Option<u64>,
    body_timeout_seconds: Option<u64>,
    most_connections: Option<usize>,
    connections_per_address_percent: Option<usize>,
    bodies_per_grant: Option<usize>,
    bodies_together: Option<usize>,
    drain_timeout_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileLog {
    format: Option<LogFormat>,
    filter: Option<String>,
}

pub(super) fn read_file(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError(format!("{}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError(format!(
            "{}:{line}: {}",
            path.display(),
            error.message().replace('\n', " ")
        ))
    })
}

impl File {
    pub(super) fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
        set(&mut config.listen, self.listen);
        set(
            &mut config.public_url,
            self.public_url.as_deref().map(public_url).transpose()?,
        );
        set(
            &mut config.database,
            self.database_url.as_deref().map(database).transpose()?,
        );
        set(&mut config.key_file, self.key_file);
        config.trusted_proxies = self.trusted_proxies;
        config.tls = self.tls.map(|tls| Tls {
            certificate: tls.cert,
            key: tls.key,
        });
        set(&mut config.registration.required, self.registration.required);
        let dearest = &mut config.prices.pause_when_dearer_percent;
        set(dearest, self.prices.pause_when_dearer_percent);
        set(&mut config.log.format, self.log.format);
        set(&mut config.log.filter, self.log.filter);

        let tokens = &mut config.tokens;
        set(&mut tokens.access_seconds, self.tokens.access_seconds.map(i64::from));
        set(&mut tokens.code_seconds, self.tokens.code_seconds.map(i64::from));
        let idle = &mut tokens.refresh_idle_seconds;
        set(idle, self.tokens.refresh_idle_seconds.map(i64::from));

        self.strangers.apply(config)?;
        self.upstreams.apply(config)?;
        self.webhooks.apply(config)?;
        self.grants.apply(config);
        self.requests.apply(config);
        Ok(())
    }
}

impl FileStrangers {
    fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
        let Some(rate) = self.rate else {
            return Ok(());
        };
        let per_seconds = rate.per.fixed_seconds().ok_or_else(|| {
            ConfigError(format!(
                "strangers.rate: {} is not always equally long: write hours or less, like PT10M",
                rate.per
            ))
        })?;
        config.strangers = Strangers {
            requests: rate.requests,
            per_seconds,
        };
        Ok(())
    }
}

impl FileWebhooks {
    fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
        let allowed = self.allow.iter().map(|webhook| host_and_port("webhooks", webhook));
        config.webhooks.allow = allowed.collect::<Result<_, _>>()?;
        set(
            &mut config.webhooks.answer_timeout,
            self.answer_timeout_seconds.map(Duration::from_secs),
        );
        Ok(())
    }
}

impl FileUpstreams {
    fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
        let upstreams = &mut config.upstreams;
        upstreams.allow = self
            .allow
            .iter()
            .map(|upstream| host_and_port("upstreams", upstream))
            .collect::<Result<_, _>>()?;
        upstreams.base_urls = self.base_urls.into_iter().collect();
        set(
            &mut upstreams.connect_timeout,
            self.connect_timeout_seconds.map(Duration::from_secs),
        );
        set(
            &mut upstreams.answer_timeout,
            self.answer_timeout_seconds.map(Duration::from_secs),
        );
        set(
            &mut upstreams.idle_timeout,
            self.idle_timeout_seconds.map(Duration::from_secs),
        );
        set(
            &mut upstreams.total_timeout,
            self.total_timeout_seconds.map(Duration::from_secs),
        );
        Ok(())
    }
}

impl FileGrants {
    fn apply(self, config: &mut Config) {
        let limits: &mut Limits = &mut config.grants.limits;
        set(
            &mut limits.budget,
            self.budget.map(|budget| [(budget.per, budget.amount)].into()),
        );
        set(
            &mut limits.requests,
            self.requests.map(|cap| [(cap.per, cap.max)].into()),
        );
        set(
            &mut limits.rate,
            self.rate.map(|rate| [(rate.per, rate.requests)].into()),
        );
        limits.concurrency = self.concurrency.or(limits.concurrency);
        limits.output_tokens_per_request = self.output_tokens_per_request.or(limits.output_tokens_per_request);
        set(
            &mut config.grants.lifetime_seconds,
            self.lifetime_seconds.map(i64::from),
        );
        set(
            &mut config.grants.longest_lifetime_seconds,
            self.longest_lifetime_seconds.map(i64::from),
        );
    }
}

impl FileRequests {
    fn apply(self, config: &mut Config) {
        let requests = &mut config.requests;
        set(&mut requests.body_limit, self.body_limit_bytes);
        set(&mut requests.upload_limit, self.upload_limit_bytes);
        set(
            &mut requests.header_timeout,
            self.header_timeout_seconds.map(Duration::from_secs),
        );
        set(
            &mut requests.body_timeout,
            self.body_timeout_seconds.map(Duration::from_secs),
        );
        set(&mut requests.most_connections, self.most_connections);
        set(
            &mut requests.connections_per_address_percent,
            self.connections_per_address_percent,
        );
        set(&mut requests.bodies_per_grant, self.bodies_per_grant);
        set(&mut requests.bodies_together, self.bodies_together);
        set(
            &mut requests.drain_timeout,
            self.drain_timeout_seconds.map(Duration::from_secs),
        );
    }
}
