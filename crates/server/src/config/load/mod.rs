//! Where settings come from: the command line, then the environment, then `aipassport.toml`, then
//! the defaults. A setting that is unknown or wrong refuses to start and names its line.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use aipassport_domain::{limits::Limits, money::Money, time::Period};
use aipassport_store::DatabaseUrl;
use serde::Deserialize;

use super::{Config, LogFormat, Strangers, Tls};

const FILE_NAME: &str = "aipassport.toml";

/// Settings that the command line or the environment may give.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Arguments {
    /// The settings file [default: aipassport.toml in the working or the data directory]
    #[arg(long, env = "AIPASSPORT_CONFIG", global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the database and the key file are
    #[arg(long, env = "AIPASSPORT_DATA_DIR", global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// postgres://… instead of the embedded SQLite
    #[arg(
        long,
        env = "AIPASSPORT_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
    /// The file that holds the key-encryption key
    #[arg(long, env = "AIPASSPORT_KEY_FILE", global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// What to log, in the syntax of `RUST_LOG`
    #[arg(long, env = "AIPASSPORT_LOG", global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Settings of the listening broker alone.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeArguments {
    /// Address and port to listen on [default: 127.0.0.1:8787]
    #[arg(long, env = "AIPASSPORT_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where clients and browsers reach the broker; the OAuth issuer
    #[arg(long, env = "AIPASSPORT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Certificate chain (PEM)
    #[arg(long, env = "AIPASSPORT_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, env = "AIPASSPORT_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A reverse proxy whose forwarding headers are believed; repeatable
    #[arg(long, env = "AIPASSPORT_TRUSTED_PROXY", value_name = "IP", value_delimiter = ',')]
    pub trusted_proxy: Vec<IpAddr>,
    /// A host and port that a provider credential's base URL may name; repeatable
    #[arg(
        long,
        env = "AIPASSPORT_ALLOW_UPSTREAM",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    pub allow_upstream: Vec<String>,
}

/// A setting that is wrong: one line that says which, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// The settings of the command line's tools, which never listen.
pub fn load(arguments: &Arguments) -> Result<Config, ConfigError> {
    load_for_serving(arguments, &ServeArguments::default())
}

/// Every setting, in the order of precedence.
pub fn load_for_serving(arguments: &Arguments, serving: &ServeArguments) -> Result<Config, ConfigError> {
    let default_data_dir = arguments.data_dir.clone().or_else(platform_data_dir);
    let file = match find_file(arguments, default_data_dir.as_deref()) {
        Some(path) => read_file(&path)?,
        None => File::default(),
    };
    let data_dir = arguments
        .data_dir
        .clone()
        .or_else(|| file.data_dir.clone())
        .or(default_data_dir);
    let data_dir = data_dir.ok_or_else(|| ConfigError("there is no home directory: give --data-dir".to_owned()))?;

    let mut config = Config::local(data_dir);
    file.apply(&mut config)?;
    apply_arguments(&mut config, arguments, serving)?;
    check(&config)?;
    Ok(config)
}

fn apply_arguments(config: &mut Config, arguments: &Arguments, serving: &ServeArguments) -> Result<(), ConfigError> {
    if let Some(url) = &arguments.database_url {
        config.database = database(url)?;
    }
    set(&mut config.key_file, arguments.key_file.clone());
    set(&mut config.log.filter, arguments.log.clone());
    let is_public_url_given =
        serving.public_url.is_some() || config.public_url != Config::local(PathBuf::new()).public_url;
    if let Some(listen) = serving.listen {
        config.listen = listen;
    }
    if let Some(url) = &serving.public_url {
        config.public_url = public_url(url)?;
    }
    if let (Some(certificate), Some(key)) = (&serving.tls_cert, &serving.tls_key) {
        config.tls = Some(Tls {
            certificate: certificate.clone(),
            key: key.clone(),
        });
    }
    if !is_public_url_given {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        config.public_url = format!("{scheme}://{}", config.listen);
    }
    config.trusted_proxies.extend(&serving.trusted_proxy);
    for upstream in &serving.allow_upstream {
        config.upstreams.allow.push(host_and_port(upstream)?);
    }
    Ok(())
}

/// What no single setting shows to be wrong.
fn check(config: &Config) -> Result<(), ConfigError> {
    if !config.listen.ip().is_loopback() && config.tls.is_none() && config.trusted_proxies.is_empty() {
        return Err(ConfigError(format!(
            "listen: {} is not loopback: give --tls-cert and --tls-key, or name the proxy in front with --trusted-proxy",
            config.listen
        )));
    }
    if !(1..=100).contains(&config.requests.connections_per_address_percent) {
        return Err(ConfigError(
            "requests.connections_per_address_percent: write 1 to 100".to_owned(),
        ));
    }
    Ok(())
}

fn find_file(arguments: &Arguments, data_dir: Option<&Path>) -> Option<PathBuf> {
    let beside_data = data_dir.map(|folder| folder.join(FILE_NAME));
    let candidates = [Some(PathBuf::from(FILE_NAME)), beside_data];
    arguments
        .config
        .clone()
        .or_else(|| candidates.into_iter().flatten().find(|path| path.exists()))
}

fn platform_data_dir() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let folder = if cfg!(target_os = "macos") {
        absolute("HOME")?.join("Library/Application Support")
    } else if cfg!(windows) {
        absolute("APPDATA")?
    } else {
        absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?
    };
    Some(folder.join("aipassport"))
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

fn database(url: &str) -> Result<DatabaseUrl, ConfigError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(DatabaseUrl::Postgres(url.to_owned()));
    }
    // The URL may hold a password, so it is not repeated.
    Err(ConfigError(
        "database_url: write postgres://…; SQLite needs only a data directory".to_owned(),
    ))
}

fn public_url(text: &str) -> Result<String, ConfigError> {
    let wrong = || {
        ConfigError(format!(
            "public_url: {text:?} is not an http(s) address without path, query or fragment"
        ))
    };
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !is_plain || has_user {
        return Err(wrong());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn host_and_port(text: &str) -> Result<String, ConfigError> {
    let wrong = || ConfigError(format!("upstreams.allow: {text:?} is not HOST:PORT"));
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let is_host = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte));
    if !is_host || port.parse::<u16>().is_err() {
        return Err(wrong());
    }
    Ok(text.to_ascii_lowercase())
}

// The file. Its sections mirror `Config`; what is left out keeps its default.

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "named as in the file")]
struct File {
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    key_file: Option<PathBuf>,
    trusted_proxies: Vec<IpAddr>,
    tls: Option<FileTls>,
    upstreams: FileUpstreams,
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

fn read_file(path: &Path) -> Result<File, ConfigError> {
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
    fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
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

impl FileUpstreams {
    fn apply(self, config: &mut Config) -> Result<(), ConfigError> {
        let upstreams = &mut config.upstreams;
        upstreams.allow = self
            .allow
            .iter()
            .map(|upstream| host_and_port(upstream))
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

#[cfg(test)]
mod tests;
