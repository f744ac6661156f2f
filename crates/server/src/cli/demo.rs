//! `aipassport demo`: the whole story on this machine, with nothing to configure.
//!
//! A broker, the sandbox provider and the sample app, each on a port of its own, and a user who is
//! signed in by one click. With `OPENAI_API_KEY` or `ANTHROPIC_API_KEY` in the environment the
//! broker talks to the real provider instead.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use aipassport_domain::{audit::Happened, ids::UserId, secret::Secret};
use aipassport_store::User;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Data, Failure, serve::stop_signal};
use crate::{
    broker::Broker,
    clock::Clock,
    config::{Config, LogFormat, load::Arguments},
    entries::{NewClient, NewCredential, new_client, new_credential},
    random::Random,
    sandbox::{
        provider::{self, SandboxOptions},
        sample_app::{self, Provider, SampleAppOptions},
    },
    telemetry,
};

const USER: &str = "you@demo";
/// Where a real key may be, by provider.
const PROVIDERS: [(&str, &str); 2] = [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")];

#[derive(Args)]
pub(super) struct Demo {
    /// The sample app's port; the others are free ones
    #[arg(long, default_value_t = 8789, value_name = "PORT")]
    port: u16,
    /// Only print the address, do not open it
    #[arg(long)]
    no_browser: bool,
}

/// The three listeners, bound before anything is told of them.
struct Places {
    broker: TcpListener,
    sandbox: TcpListener,
    app: TcpListener,
}

/// What was put into the data before the broker starts on it.
struct Prepared {
    user_id: UserId,
    client_id: String,
    client_secret: Option<Secret>,
    /// The provider the sample app uses, and whether its key is a real one.
    provider: Provider,
    is_real: bool,
}

impl Demo {
    pub(super) async fn run(
        self,
        arguments: &Arguments,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<(), Failure> {
        let filter = arguments.log.as_deref().unwrap_or("warn");
        telemetry::start(LogFormat::Text, filter).map_err(Failure::Said)?;
        let folder = Folder::new(arguments.data_dir.as_deref(), &random.id(clock.now()));
        let places = Places {
            broker: listen(0).await?,
            sandbox: listen(0).await?,
            app: listen(self.port).await?,
        };
        // `localhost` beside `127.0.0.1`, so that app and broker keep their cookies to themselves.
        let app_url = format!("http://localhost:{}", address(&places.app)?.port());
        let sandbox_address = address(&places.sandbox)?;
        let mut config = Config::local(folder.path.clone());
        config.listen = address(&places.broker)?;
        config.public_url = format!("http://{}", config.listen);
        config.upstreams.allow.push(sandbox_address.to_string());

        let data = Data::open(&config, clock.clone(), random.clone()).await?;
        let prepared = prepare(&data, &app_url, sandbox_address).await?;
        data.store.close().await;
        config.one_click_user = Some(prepared.user_id);

        let app = SampleAppOptions {
            public_url: app_url.clone(),
            broker_url: config.public_url.clone(),
            client_id: prepared.client_id,
            client_secret: prepared.client_secret,
            provider: prepared.provider,
            model: model(prepared.provider).to_owned(),
            is_sandbox: !prepared.is_real,
        };
        let broker = Broker::start_on(places.broker, config, clock, random).await?;
        announce(&app_url, prepared.is_real);
        if !self.no_browser {
            open_in_browser(&app_url);
        }

        let stop = stop_signal();
        let (app, sandbox, ()) = tokio::join!(
            sample_app::serve(places.app, app, stopped(stop.clone())),
            provider::serve(places.sandbox, SandboxOptions::default(), stopped(stop.clone())),
            broker.run(stop.clone()),
        );
        app.map_err(|error| Failure::Said(error.to_string()))?;
        sandbox.map_err(|error| Failure::Said(error.to_string()))
    }
}

/// The demo's user, a key for each provider, and the sample app as a registered client.
async fn prepare(data: &Data, app_url: &str, sandbox: SocketAddr) -> Result<Prepared, Failure> {
    let user_id = demo_user(data).await?;
    let mut real = Vec::new();
    for (provider, variable) in PROVIDERS {
        let key = std::env::var(variable).ok().filter(|key| !key.trim().is_empty());
        let base_url = key.is_none().then(|| format!("http://{sandbox}/{provider}"));
        real.extend(key.as_ref().map(|_| provider));
        let key = key.map_or_else(|| data.random.secret("sk-demo-"), |key| Secret::new(key.trim()));
        let entered = NewCredential {
            provider: provider.to_owned(),
            key,
            base_url,
        };
        let (credential, added) = new_credential(data.making(), &user_id, entered)?;
        data.store
            .add_credential(&credential, &data.event(Some(&user_id), None, added))
            .await?;
    }
    let entered = NewClient {
        name: sample_app::NAME.to_owned(),
        address: Some(app_url.to_owned()),
        redirect_uris: vec![format!("{app_url}{}", sample_app::CALLBACK_PATH)],
        is_confidential: true,
    };
    let (client, client_secret, added) = new_client(data.making(), entered)?;
    data.store.add_client(&client, &data.event(None, None, added)).await?;
    Ok(Prepared {
        user_id,
        client_id: client.id.to_string(),
        client_secret,
        provider: if real == ["anthropic"] {
            Provider::Anthropic
        } else {
            Provider::OpenAi
        },
        is_real: !real.is_empty(),
    })
}

/// Without a password: the button on the sign-in page is the only way in.
async fn demo_user(data: &Data) -> Result<UserId, Failure> {
    if let Some(user) = data.store.user_by_name(&data.tenant_id, USER).await? {
        return Ok(user.id);
    }
    let user = User {
        id: UserId::new(data.random.id(data.clock.now())),
        tenant_id: data.tenant_id.clone(),
        name: USER.to_owned(),
        password_hash: None,
        is_admin: true,
        time_zone: "UTC".to_owned(),
        created_at: data.clock.now(),
        suspended_at: None,
    };
    let added = Happened::UserAdded {
        name: user.name.clone(),
    };
    data.store
        .add_user(&user, &data.event(Some(&user.id), None, added))
        .await?;
    Ok(user.id)
}

/// A cheap model with a known price, so that the demo costs cents even with a real key.
fn model(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi => "gpt-4o-mini",
        Provider::Anthropic => "claude-haiku-4-5",
    }
}

/// Where the demo keeps its data: a folder of its own that goes with it, unless one was named.
struct Folder {
    path: PathBuf,
    is_ours: bool,
}

impl Folder {
    fn new(named: Option<&Path>, id: &str) -> Self {
        match named {
            Some(path) => Self {
                path: path.to_owned(),
                is_ours: false,
            },
            None => Self {
                path: std::env::temp_dir().join(format!("aipassport-demo-{id}")),
                is_ours: true,
            },
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.map_err(|error| Failure::Said(format!("cannot listen on 127.0.0.1:{port}: {error}")))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::Said(error.to_string()))
}

async fn stopped(stop: CancellationToken) {
    stop.cancelled().await;
}

fn announce(app_url: &str, is_real: bool) {
    let provider = if is_real {
        "your own key, and real money"
    } else {
        "a sandbox provider: nothing costs anything"
    };
    let _ = writeln!(
        io::stdout().lock(),
        "\n  {app_url}\n\nAn app that wants to borrow your AI key, with {provider}.\nCtrl-C stops the demo and removes what it made."
    );
}

/// A machine without a desktop has the printed address.
fn open_in_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let _ = Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
