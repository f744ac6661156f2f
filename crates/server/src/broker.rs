//! The broker as a whole: put together, started, run and stopped.

use std::{
    fs::{File, TryLockError},
    net::SocketAddr,
    sync::Arc,
};

use aipassport_providers::prices::{PriceBook, PriceBookError};
use aipassport_store::{DatabaseUrl, StoreError};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::{App, Parts},
    client_secret,
    clock::Clock,
    config::Config,
    data::{Data, DataError},
    gateway::{self, Gateway, GatewayStartError},
    jobs,
    password::Passwords,
    random::Random,
    routes::Routes,
    serve::{self, Listening},
    signing::{SigningError, SigningKeys},
    strangers::Strangers,
    tls,
    webhooks::{Webhooks, WebhooksStartError},
};

/// A broker that is ready to answer.
pub struct Broker {
    app: App,
    routes: Routes,
    listener: TcpListener,
    listening: Listening,
    /// Held for as long as the broker lives, so that two never share one SQLite file: the second
    /// would take the first one's holds for orphans.
    _lock: Option<File>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("another broker is running on {0}")]
    AlreadyRunning(String),
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Prices(#[from] PriceBookError),
    #[error(transparent)]
    Gateway(#[from] GatewayStartError),
    #[error(transparent)]
    Webhooks(#[from] WebhooksStartError),
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Broker {
    /// Opens the data, resolves what a crash left behind, and binds the listener.
    pub async fn start(config: Config, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, StartError> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| StartError::Listen {
                address: config.listen,
                source,
            })?;
        Self::start_on(listener, config, clock, random).await
    }

    /// The same on a listener that is bound already.
    pub async fn start_on(
        listener: TcpListener,
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StartError> {
        let data = Data::open(&config, clock, random).await?;
        let lock = lock(&config)?;
        let Data {
            store,
            vault,
            tenant_id,
            clock,
            random,
        } = data;
        let signing = SigningKeys::load_or_create(&store, &vault, random.as_ref(), &tenant_id, clock.now()).await?;
        let listening = Listening {
            tls: config
                .tls
                .as_ref()
                .map(tls::acceptor)
                .transpose()?
                .map(|tls| TlsAcceptor::from(Arc::new(tls))),
            header_timeout: config.requests.header_timeout,
            stall_timeout: config.requests.body_timeout,
            most_connections: config.requests.most_connections,
            connections_per_address_percent: config.requests.connections_per_address_percent,
            proxies: config.trusted_proxies.clone(),
            drain_timeout: config.requests.drain_timeout,
        };
        let app = App::new(Parts {
            gateway: Gateway::new()?,
            webhooks: Webhooks::new()?,
            prices: Arc::new(PriceBook::embedded()?),
            passwords: Passwords::new(random.as_ref()),
            strangers: Strangers::new(config.strangers),
            client_secrets: client_secret::Tries::default(),
            config,
            store,
            clock,
            random,
            vault,
            signing,
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            tenant_id,
        });
        jobs::recover(&app).await?;
        let routes = Routes::new(app.clone());
        Ok(Self {
            app,
            routes,
            listener,
            listening,
            _lock: lock,
        })
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    /// Answers until `stop` is cancelled; then waits for calls under way and for settlements.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            app,
            routes,
            listener,
            listening,
            _lock,
        } = self;
        let stopping = {
            let (app, stop) = (app.clone(), stop.clone());
            async move {
                stop.cancelled().await;
                app.shutdown.cancel();
            }
        };
        tokio::join!(
            stopping,
            serve::serve(listener, routes, listening, stop),
            gateway::watch(&app),
            jobs::run(&app),
        );
        app.tasks.close();
        app.tasks.wait().await;
        app.store.close().await;
    }
}

fn lock(config: &Config) -> Result<Option<File>, StartError> {
    let DatabaseUrl::Sqlite(path) = &config.database else {
        return Ok(None);
    };
    let path = path.with_extension("lock");
    let in_use = || StartError::AlreadyRunning(path.display().to_string());
    let file = File::create(&path).map_err(|source| DataError::Folder {
        folder: path.display().to_string(),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(in_use()),
        Err(TryLockError::Error(source)) => Err(DataError::Folder {
            folder: path.display().to_string(),
            source,
        }
        .into()),
    }
}
