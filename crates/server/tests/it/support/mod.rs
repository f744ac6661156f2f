//! The actors of every test: a broker, its users and clients, and the HTTP between them.
//!
//! A [`TestBroker`] that goes away checks that no reservation is left open and that balances equal
//! their calls, so every test checks both.

use std::{net::SocketAddr, sync::Arc};

use aipassport::{
    app::App,
    broker::Broker,
    clock::{Clock, StoppedClock},
    config::Config,
    entries::{NewCredential, NewTool, new_api_token, new_app_key, new_credential},
    jobs::silent_since,
    random::SeededRandom,
};
use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    client::{Client, ClientAuthentication, Registration},
    ids::{ClientId, CredentialId, GrantId, UserId},
    secret::Secret,
    time::Timestamp,
};
use aipassport_store::{Finding, Ledger, Store, User};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(crate) mod grant;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod logs;
pub(crate) mod oauth;
pub(crate) mod provider;
pub(crate) mod sandbox;
pub(crate) mod secrets;

/// A Wednesday noon in 2026, UTC; time moves only when a test says so.
pub(crate) const NOW: Timestamp = aipassport_domain::fixtures::NOW;
/// The provider credential of every test user; it must never come out.
pub(crate) const CANARY_KEY: &str = "sk-canary-7f3a91c2d4e8b605";

pub(crate) struct TestBroker {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<StoppedClock>,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

pub(crate) struct TestUser {
    pub(crate) id: UserId,
    /// For `/api` and the 0.2 surface.
    pub(crate) bearer: String,
}

impl TestBroker {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A broker whose settings were changed before it started.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_by(change, |clock| clock).await
    }

    /// The same, with something between the broker and its clock.
    pub(crate) async fn start_by(
        change: impl FnOnce(&mut Config),
        wrap: impl FnOnce(Arc<StoppedClock>) -> Arc<dyn Clock>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = Config::local(folder.path().to_owned());
        config.listen = address;
        config.public_url = format!("http://{address}");
        change(&mut config);

        let clock = Arc::new(StoppedClock::at(NOW));
        let random = Arc::new(SeededRandom::from_seed(u64::from(address.port())));
        let broker = Broker::start_on(listener, config, wrap(clock.clone()), random)
            .await
            .unwrap();
        let app = broker.app().clone();
        let stop = CancellationToken::new();
        let running = tokio::spawn(broker.run(stop.clone()));
        Self {
            app,
            address,
            clock,
            stop,
            running: Some(running),
            _folder: folder,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.config.public_url)
    }

    pub(crate) fn event(&self, user_id: Option<&UserId>, what: Happened) -> AuditEvent {
        AuditEvent {
            tenant_id: self.app.tenant_id.clone(),
            at: self.app.clock.now(),
            actor: Actor::Operator,
            user_id: user_id.cloned(),
            grant_id: None,
            what,
        }
    }

    /// A user who can use the API; no password, so that no test waits for one.
    pub(crate) async fn user(&self, name: &str) -> TestUser {
        let (app, now) = (&self.app, self.app.clock.now());
        let user = User {
            id: UserId::new(app.random.id(now)),
            tenant_id: app.tenant_id.clone(),
            name: name.to_owned(),
            password_hash: None,
            is_admin: false,
            time_zone: "UTC".to_owned(),
            created_at: now,
            suspended_at: None,
        };
        let added = Happened::UserAdded { name: name.to_owned() };
        app.store
            .add_user(&user, &self.event(Some(&user.id), added))
            .await
            .unwrap();

        let (bearer, token, issued) = new_api_token(app.making(), &user.id);
        app.store
            .issue_api_token(&token, &self.event(Some(&user.id), issued))
            .await
            .unwrap();
        TestUser {
            id: user.id,
            bearer: bearer.expose().to_owned(),
        }
    }

    /// Gives `user` the canary key for `provider`, at `base_url` where it is not the public one.
    pub(crate) async fn credential(&self, user: &TestUser, provider: &str, base_url: Option<String>) -> CredentialId {
        let app = &self.app;
        let entered = NewCredential {
            provider: provider.to_owned(),
            key: Secret::new(CANARY_KEY),
            base_url,
        };
        let (credential, added) = new_credential(app.making(), &user.id, entered).unwrap();
        app.store
            .add_credential(&credential, &self.event(Some(&user.id), added))
            .await
            .unwrap();
        credential.id
    }

    /// The grant of an app key that `user` made for `provider`.
    pub(crate) async fn app_key(&self, user: &TestUser, provider: &str) -> GrantId {
        let app = &self.app;
        let entered = NewTool {
            name: "Editor".to_owned(),
            authorization_details: vec![grant::access_to(self, provider)],
            revoke_when_used_up: false,
        };
        let tool = new_app_key(app.making(), &app.config.grants, &app.prices, entered).unwrap();
        let event = self.event(Some(&user.id), tool.made.clone());
        let made = app
            .store
            .make_app_key(&tool.stored, tool.for_user(&user.id), &event)
            .await;
        made.unwrap().unwrap().id
    }

    /// A registered client; with a secret where one is given.
    pub(crate) async fn client(&self, name: &str, redirect_uri: &str, secret: Option<&str>) -> Client {
        let app = &self.app;
        let authentication = secret.map_or(ClientAuthentication::None, |secret| {
            ClientAuthentication::Secret(app.vault.hash(secret))
        });
        let client = Client {
            id: ClientId::new(app.random.id(app.clock.now())),
            tenant_id: app.tenant_id.clone(),
            name: name.to_owned(),
            address: "https://notes.example".to_owned(),
            redirect_uris: vec![redirect_uri.to_owned()],
            authentication,
            registration: Registration::Registered,
            created_at: app.clock.now(),
            disabled_at: None,
        };
        let added = Happened::ClientAdded {
            client_id: client.id.clone(),
            name: client.name.clone(),
        };
        app.store.add_client(&client, &self.event(None, added)).await.unwrap();
        client
    }

    /// Waits until what was under way is settled.
    pub(crate) async fn settled(&self) {
        while !self.app.tasks.is_empty() {
            tokio::task::yield_now().await;
        }
        // A store that is away or closed has settled what it could.
        let _ = self.app.store.settled().await;
    }

    /// Begins to stop the broker; the future ends when it has stopped.
    pub(crate) fn stop(&mut self) -> impl Future<Output = ()> + use<> {
        self.stop.cancel();
        let running = self.running.take();
        async move {
            if let Some(running) = running {
                running.await.unwrap();
            }
        }
    }

    /// What does not add up once everything is settled and the broker has stopped.
    async fn findings(&mut self) -> Vec<Finding> {
        self.settled().await;
        self.stop().await;
        let store = Store::open(&self.app.config.database, "the test").await.unwrap();
        let findings = store
            .check_invariants(silent_since(self.app.clock.now()))
            .await
            .unwrap();
        store.close().await;
        findings
    }
}

impl Drop for TestBroker {
    /// Needs `#[tokio::test(flavor = "multi_thread")]`.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let runtime = tokio::runtime::Handle::current();
        let findings = tokio::task::block_in_place(|| runtime.block_on(self.findings()));
        assert!(findings.is_empty(), "the ledger does not add up: {findings:?}");
    }
}
