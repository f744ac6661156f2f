//! A world to test in: an empty store with a user, a client and helpers that tell the usual story.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    client::Client,
    consent::{Approved, AuthorizationRequest, Door},
    fixtures::{self, NOW},
    grant::Grant,
    ids::{AuthorizationRequestId, ClientId, CredentialId, GrantId, ProviderId, TenantId, UserId},
    secret::{Sealed, SecretHash},
    time::Timestamp,
};
use aipassport_store::{
    DatabaseUrl, Decision, NewCode, NewRefreshToken, ProviderCredential, Redemption, Rotation, Store, User,
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::postgres;

pub struct World {
    pub store: Store,
    pub url: DatabaseUrl,
    pub tenant: TenantId,
    /// Removed with the world.
    _folder: Option<TempDir>,
}

/// Runs a test on SQLite, then on PostgreSQL, each time in an empty store.
#[expect(clippy::print_stdout, reason = "shown when the test fails")]
pub async fn on_both_engines(test: impl AsyncFn(World)) {
    let (url, folder) = new_sqlite();
    println!("on SQLite, {url}");
    test(World::new(url, Some(folder)).await).await;

    let url = new_postgres().await;
    println!("on PostgreSQL, {url}");
    test(World::new(url, None).await).await;
}

pub fn new_sqlite() -> (DatabaseUrl, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (DatabaseUrl::Sqlite(folder.path().join("a store ?%#.sqlite")), folder)
}

pub async fn new_postgres() -> DatabaseUrl {
    sqlx::any::install_default_drivers();
    let name = postgres::new_database_name();
    let mut server = AnyConnection::connect(postgres::server_url()).await.unwrap();
    let create = AssertSqlSafe(format!("create database {name} template template0"));
    sqlx::raw_sql(create).execute(&mut server).await.unwrap();
    DatabaseUrl::Postgres(postgres::database_url(&name))
}

impl World {
    pub async fn new(url: DatabaseUrl, folder: Option<TempDir>) -> Self {
        let world = Self {
            store: Store::open(&url, "instance").await.unwrap(),
            url,
            tenant: TenantId::first(),
            _folder: folder,
        };
        world.add_user("user").await;
        world.add_client("notes").await;
        world
    }

    pub async fn add_user(&self, id: &str) -> User {
        let user = user(id);
        let added = event(Happened::UserAdded {
            name: user.name.clone(),
        });
        self.store.add_user(&user, &added).await.unwrap();
        user
    }

    pub async fn add_admin(&self, id: &str) -> User {
        let admin = User {
            is_admin: true,
            ..user(id)
        };
        let added = event(Happened::UserAdded {
            name: admin.name.clone(),
        });
        self.store.add_user(&admin, &added).await.unwrap();
        admin
    }

    pub async fn add_client(&self, id: &str) -> Client {
        let client = Client {
            id: ClientId::new(id),
            ..fixtures::client()
        };
        let added = event(Happened::ClientAdded {
            client_id: client.id.clone(),
            name: client.name.clone(),
        });
        self.store.add_client(&client, &added).await.unwrap();
        client
    }

    pub async fn add_credential(
        &self,
        id: &str,
        user: &str,
        provider: &str,
        created_at: Timestamp,
    ) -> ProviderCredential {
        let credential = ProviderCredential {
            id: CredentialId::new(id),
            tenant_id: self.tenant.clone(),
            user_id: UserId::new(user),
            provider: ProviderId::new(provider),
            base_url: None,
            sealed: Sealed(vec![0, 1, 2, 255]),
            last_four: "abcd".to_owned(),
            created_at,
            last_used_at: None,
            refused_at: None,
            checked: None,
        };
        let added = event(Happened::CredentialAdded {
            credential_id: credential.id.clone(),
            provider: credential.provider.clone(),
            last_four: credential.last_four.clone(),
        });
        self.store.add_credential(&credential, &added).await.unwrap();
        credential
    }

    /// An authorization request of `notes`, through the front door.
    pub async fn asked(&self, id: &str) -> AuthorizationRequest {
        self.asked_through(id, fixtures::authorization_request().door).await
    }

    pub async fn asked_through(&self, id: &str, door: Door) -> AuthorizationRequest {
        let request = AuthorizationRequest {
            id: AuthorizationRequestId::new(id),
            grant_id: GrantId::new(format!("grant of {id}")),
            door,
            ..fixtures::authorization_request()
        };
        let asked = event(Happened::GrantRequested {
            request_id: request.id.clone(),
            client_id: request.client_id.clone(),
        });
        self.store.open_authorization_request(&request, &asked).await.unwrap();
        request
    }

    /// A request that the user has approved, and the hash of its code.
    pub async fn approved(&self, id: &str) -> (AuthorizationRequest, SecretHash) {
        let request = self.asked(id).await;
        let code = new_code(id);
        let won = self
            .store
            .approve_request(&request.id, &decision(), &code, &approval(&request))
            .await
            .unwrap();
        assert!(won);
        (request, code.hash)
    }

    /// A grant redeemed from a code, with a refresh token of the same name.
    pub async fn granted(&self, id: &str) -> Grant {
        let (_, code) = self.approved(id).await;
        self.redeemed(&code, id).await
    }

    /// A grant of `user` to `client`, in the same way.
    pub async fn granted_by(&self, user: &str, client: &str, id: &str) -> Grant {
        let request = AuthorizationRequest {
            id: AuthorizationRequestId::new(id),
            grant_id: GrantId::new(format!("grant of {id}")),
            client_id: ClientId::new(client),
            ..fixtures::authorization_request()
        };
        let approval = approval(&request);
        self.store
            .open_authorization_request(&request, &approval)
            .await
            .unwrap();
        let decision = Decision {
            by: UserId::new(user),
            ..decision()
        };
        let code = new_code(id);
        let approved = self.store.approve_request(&request.id, &decision, &code, &approval);
        assert!(approved.await.unwrap());
        self.redeemed(&code.hash, id).await
    }

    async fn redeemed(&self, code: &SecretHash, id: &str) -> Grant {
        match self.redeem(code, id).await {
            Redemption::Redeemed(grant) => grant,
            other => panic!("not redeemed: {other:?}"),
        }
    }

    pub async fn redeem(&self, code: &SecretHash, refresh_token: &str) -> Redemption {
        self.store
            .redeem_code(code, Some(&new_refresh_token(refresh_token)), &grant_created())
            .await
            .unwrap()
    }

    pub async fn rotate(&self, old: &str, new: &str, now: Timestamp) -> Rotation {
        let issued = AuditEvent {
            at: now,
            ..tokens_issued()
        };
        self.store
            .rotate_refresh_token(&hash(old), &new_refresh_token(new), &issued)
            .await
            .unwrap()
    }

    pub async fn version(&self, id: &GrantId) -> i64 {
        self.store.grant(&self.tenant, id).await.unwrap().unwrap().version
    }

    /// The kinds of everything that has happened, in order.
    pub async fn kinds(&self) -> Vec<String> {
        let events = self.store.events(&self.tenant, 0, 10_000).await.unwrap();
        events.iter().map(|record| record.event.what.kind()).collect()
    }

    pub async fn times(&self, kind: &str) -> usize {
        self.kinds().await.iter().filter(|happened| *happened == kind).count()
    }

    /// A connection of its own, for what no method of the store does.
    pub async fn connection(&self) -> AnyConnection {
        connection(&self.url).await
    }
}

pub async fn connection(url: &DatabaseUrl) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let url = match url {
        DatabaseUrl::Sqlite(path) => format!(
            "sqlite://{}",
            path.display()
                .to_string()
                .replace('%', "%25")
                .replace('?', "%3F")
                .replace('#', "%23")
        ),
        DatabaseUrl::Postgres(url) => url.clone(),
    };
    AnyConnection::connect(&url).await.unwrap()
}

/// Does the same thing so many times at once, and returns what each came to.
pub async fn in_parallel<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    times: usize,
    act: impl Fn(usize) -> F,
) -> Vec<T> {
    let mut tasks = JoinSet::new();
    for number in 0..times {
        tasks.spawn(act(number));
    }
    tasks.join_all().await
}

pub fn user(id: &str) -> User {
    User {
        id: UserId::new(id),
        tenant_id: TenantId::first(),
        name: format!("{id}@example.org"),
        password_hash: Some("$argon2id$…".to_owned()),
        is_admin: false,
        time_zone: "Europe/Berlin".to_owned(),
        created_at: NOW,
        suspended_at: None,
    }
}

/// The stand-in for a keyed hash.
pub fn hash(of: &str) -> SecretHash {
    SecretHash(of.bytes().rev().chain([0, 255]).collect())
}

pub fn new_code(id: &str) -> NewCode {
    NewCode {
        hash: hash(id),
        expires_at: NOW.plus_seconds(60),
    }
}

pub fn new_refresh_token(id: &str) -> NewRefreshToken {
    NewRefreshToken {
        hash: hash(id),
        expires_at: NOW.plus_seconds(14 * 86_400),
    }
}

pub fn decision() -> Decision {
    Decision {
        by: UserId::new("user"),
        approved: Approved {
            authorization_details: vec![fixtures::access()],
            expires_at: NOW.plus_seconds(30 * 86_400),
        },
        shown_digest: Some("what was shown".to_owned()),
        prices: r#"{"openai":{}}"#.to_owned(),
    }
}

pub fn event(what: Happened) -> AuditEvent {
    AuditEvent {
        tenant_id: TenantId::first(),
        at: NOW,
        actor: Actor::User(UserId::new("user")),
        user_id: Some(UserId::new("user")),
        grant_id: None,
        what,
    }
}

pub fn approval(request: &AuthorizationRequest) -> AuditEvent {
    let Decision {
        approved, shown_digest, ..
    } = decision();
    event(Happened::GrantApproved {
        request_id: request.id.clone(),
        client_id: request.client_id.clone(),
        authorization_details: serde_json::to_value(&approved.authorization_details).unwrap(),
        expires_at: approved.expires_at,
        shown_digest,
    })
}

pub fn grant_created() -> AuditEvent {
    event(Happened::GrantCreated {
        client_id: ClientId::new("notes"),
    })
}

pub fn tokens_issued() -> AuditEvent {
    event(Happened::TokensIssued {
        client_id: ClientId::new("notes"),
    })
}
