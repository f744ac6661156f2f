//! Opening and closing a store.

use std::{
    fmt, fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{AnyPool, Connection, Database, Executor, any::AnyPoolOptions, pool::PoolOptions};

use crate::{
    error::OpenError,
    ledger::{self, Queue},
    migrations::MigrationError,
    turnstile::{Place, Turnstile},
};

const MOST_CONNECTIONS: u32 = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A connection that was used within this time is taken to be there.
const STEADY_USE: Duration = Duration::from_secs(1);

/// Where the store lives.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file of our own, made with mode 0600 when it is missing.
    Sqlite(PathBuf),
    /// `postgres://…`
    Postgres(String),
}

impl fmt::Display for DatabaseUrl {
    /// Without the password and the parameters, which may hold one.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(out),
            Self::Postgres(url) => {
                let address = url.split('?').next().unwrap_or_default();
                let place = address.rsplit_once('@').or_else(|| address.split_once("://"));
                write!(out, "postgres://{}", place.map_or("", |(_, place)| place))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The store; a clone is the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: AnyPool,
    ledger: Queue,
    engine: Engine,
    /// SQLite's alone.
    turnstile: Option<Turnstile>,
    instance_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Store {
    /// Opens the store and brings its schema up to date; refuses a newer or half-migrated one.
    ///
    /// Several processes may open one store at the same time; one of them migrates, the others wait.
    pub async fn open(url: &DatabaseUrl, instance_id: &str) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let (engine, driver_url, turnstile) = match url {
            DatabaseUrl::Sqlite(path) => {
                make_private_file(path)?;
                (Engine::Sqlite, sqlite_url(path), Some(Turnstile::of(path)))
            }
            DatabaseUrl::Postgres(url) => (Engine::Postgres, url.clone(), None),
        };
        let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Unreachable {
            at: url.to_string(),
            source,
        };

        let pool = check_idle(AnyPoolOptions::new())
            .max_connections(MOST_CONNECTIONS)
            .acquire_timeout(LONGEST_WAIT)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(engine.settings()).await.map(|_| ()) })
            })
            .connect(&driver_url)
            .await
            .map_err(|error| unreachable(error.into()))?;
        let ledger = ledger::start(url, instance_id).map_err(unreachable)?;
        let store = Self {
            inner: Arc::new(Inner {
                pool,
                ledger,
                engine,
                turnstile,
                instance_id: instance_id.to_owned(),
            }),
        };
        match store.migrate().await {
            Ok(()) => Ok(store),
            Err(MigrationError::Refused(reason)) => Err(reason),
            Err(MigrationError::Failed(error)) => Err(unreachable(error.into())),
        }
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        self.inner.ledger.close().await;
        self.inner.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &AnyPool {
        &self.inner.pool
    }

    pub(crate) fn ledger(&self) -> &Queue {
        &self.inner.ledger
    }

    pub(crate) fn engine(&self) -> Engine {
        self.inner.engine
    }

    /// Waits for our turn to write, where the engine keeps no queue. Dropped once the database is ours.
    pub(crate) async fn turn(&self) -> Option<Place> {
        self.inner.turnstile.as_ref()?.stand().await
    }

    pub(crate) fn instance_id(&self) -> &str {
        &self.inner.instance_id
    }
}

impl Engine {
    /// What every connection begins with. On SQLite a commit is on the disk when it returns, and
    /// whoever finds the file locked waits; on PostgreSQL nobody waits for a lock for ever.
    fn settings(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "pragma busy_timeout = 5000;
                 pragma journal_mode = wal;
                 pragma synchronous = full;
                 pragma foreign_keys = on;"
            }
            Self::Postgres => "set lock_timeout = '5s'",
        }
    }
}

/// Has a connection looked at that nobody used for a while, before somebody is given it: it may not
/// have survived a restart of the server. One in steady use costs no round trip.
pub(crate) fn check_idle<DB: Database>(options: PoolOptions<DB>) -> PoolOptions<DB> {
    options.test_before_acquire(false).before_acquire(|connection, seen| {
        Box::pin(async move {
            if seen.idle_for >= STEADY_USE {
                connection.ping().await?;
            }
            Ok(true)
        })
    })
}

/// Makes the file if it is missing, for its owner alone; SQLite gives its journals the same mode.
fn make_private_file(path: &Path) -> Result<(), OpenError> {
    let unreachable = |error: io::Error| OpenError::Unreachable {
        at: path.display().to_string(),
        source: error.into(),
    };
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(unreachable)?;
    let mode = file.metadata().map_err(unreachable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(OpenError::OpenToOthers { path: path.to_owned() });
    }
    Ok(())
}

/// The path as a URL, so that no character of it means something else there.
fn sqlite_url(path: &Path) -> String {
    use std::fmt::Write;

    let mut url = "sqlite://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => url.push(char::from(*byte)),
            // Writing to a string cannot fail.
            byte => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}
