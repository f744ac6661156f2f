//! Where settings come from: the command line, then the environment, then `aipassport.toml`, then
//! the defaults. A setting that is unknown or wrong refuses to start and names its line.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use aipassport_store::DatabaseUrl;

use self::file::{File, read_file};
use super::{Config, Tls};

mod file;

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
    /// A host and port that a webhook may name although it is a private one; repeatable
    #[arg(
        long,
        env = "AIPASSPORT_ALLOW_WEBHOOK",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    pub allow_webhook: Vec<String>,
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
        config.upstreams.allow.push(host_and_port("upstreams", upstream)?);
    }
    for webhook in &serving.allow_webhook {
        config.webhooks.allow.push(host_and_port("webhooks", webhook)?);
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

fn host_and_port(section: &str, text: &str) -> Result<String, ConfigError> {
    let wrong = || ConfigError(format!("{section}.allow: {text:?} is not HOST:PORT"));
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

#[cfg(test)]
mod tests;
