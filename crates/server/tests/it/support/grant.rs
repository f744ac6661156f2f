//! A client that a user has granted something, and what it does with it.

use aipassport::signing::{audience, issue_access_token};
use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, RevocationReason},
    authorization_details::{AiAccess, Capability, Choice, ModelPattern},
    consent::{Approved, AuthorizationRequest, Door, RequestState},
    grant::Grant,
    ids::{AuthorizationRequestId, GrantId, ProviderId},
    secret::SecretHash,
};
use aipassport_providers::adapter;
use aipassport_store::{AlertsOf, Decision};
use serde_json::{Value, json};

use super::{TestBroker, TestUser, http::Answer, provider::TestProvider};

/// The model of every test; it has a price.
pub(crate) const MODEL: &str = "gpt-4o-mini";

/// A grant in force and an access token for it.
pub(crate) struct TestGrant {
    pub(crate) grant: Grant,
    pub(crate) token: String,
}

impl TestGrant {
    pub(crate) fn id(&self) -> &GrantId {
        &self.grant.id
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

/// Access of chat to [`MODEL`] at `provider`, with the operator's usual limits.
pub(crate) fn access_to(broker: &TestBroker, provider: &str) -> AiAccess {
    AiAccess {
        models: Choice::of([ModelPattern::Exact(MODEL.to_owned())]),
        capabilities: Choice::of([Capability::Chat]),
        limits: broker.app.config.grants.limits.clone(),
        ..AiAccess::open(ProviderId::new(provider))
    }
}

/// A chat request.
pub(crate) fn chat(max_tokens: u64) -> Value {
    json!({
        "model": MODEL,
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": "Say hello"}],
    })
}

/// The same with an answer as long as its money pays for.
pub(crate) fn greedy_chat() -> Value {
    let mut chat = chat(0);
    chat.as_object_mut().unwrap().remove("max_tokens");
    chat
}

/// One that is streamed.
pub(crate) fn streamed_chat(max_tokens: u64) -> Value {
    let mut chat = chat(max_tokens);
    chat["stream"] = true.into();
    chat
}

/// Makes `provider` every provider.
pub(crate) fn put_before(config: &mut aipassport::config::Config, provider: &TestProvider) {
    config.upstreams.allow.push(provider.address.to_string());
    for adapter in adapter::all() {
        config
            .upstreams
            .base_urls
            .push((adapter.id().to_owned(), provider.base_url()));
    }
}

impl TestBroker {
    /// A broker whose `OpenAI` is `provider`.
    pub(crate) async fn before(provider: &TestProvider) -> Self {
        Self::before_with(provider, |_| {}).await
    }

    pub(crate) async fn before_with(
        provider: &TestProvider,
        change: impl FnOnce(&mut aipassport::config::Config),
    ) -> Self {
        Self::start_with(|config| {
            put_before(config, provider);
            change(config);
        })
        .await
    }

    /// A user with a key has granted a new client chat with [`MODEL`].
    pub(crate) async fn granted(&self) -> TestGrant {
        self.granted_with(|_| {}).await
    }

    /// The same with `change` made to what is granted.
    pub(crate) async fn granted_with(&self, change: impl FnOnce(&mut AiAccess)) -> TestGrant {
        let user = self.user(&self.app.random.id(self.app.clock.now())).await;
        self.credential(&user, "openai", None).await;
        let mut access = access_to(self, "openai");
        change(&mut access);
        self.grant(&user, vec![access]).await
    }

    /// A user with a key has granted a new client `capability` with `model`.
    pub(crate) async fn granted_capability(&self, capability: Capability, model: &str) -> TestGrant {
        self.granted_with(|access| {
            access.models = Choice::of([ModelPattern::Exact(model.to_owned())]);
            access.capabilities = Choice::of([capability]);
        })
        .await
    }

    /// Makes a grant of `details` by `user` to a new client.
    pub(crate) async fn grant(&self, user: &TestUser, details: Vec<AiAccess>) -> TestGrant {
        let (app, now) = (&self.app, self.app.clock.now());
        let client = self.client("Notes", "https://notes.example/callback", None).await;
        let request = AuthorizationRequest {
            id: AuthorizationRequestId::new(app.random.id(now)),
            tenant_id: app.tenant_id.clone(),
            client_id: client.id.clone(),
            grant_id: GrantId::new(app.random.id(now)),
            door: Door::GrantRequest {
                request_secret: SecretHash(vec![0; 32]),
                reason: "To test".to_owned(),
            },
            asked: details.clone(),
            state: RequestState::Pending,
            created_at: now,
            expires_at: now.plus_seconds(600),
        };
        let asked = Happened::GrantRequested {
            request_id: request.id.clone(),
            client_id: client.id.clone(),
        };
        let store = &app.store;
        store
            .open_authorization_request(&request, &self.event(None, asked))
            .await
            .unwrap();

        let decision = Decision {
            by: user.id.clone(),
            approved: Approved {
                authorization_details: details,
                expires_at: now.plus_seconds(30 * 86_400),
                revoke_when_used_up: false,
            },
            shown_digest: None,
            prices: "{}".to_owned(),
        };
        let made = Happened::GrantCreated { client_id: client.id };
        let grant = store
            .approve_grant_request(&request.id, &decision, &self.event(Some(&user.id), made))
            .await
            .unwrap()
            .unwrap();
        let token = issue_access_token(app, &grant, audience(&app.config.public_url, None), now)
            .unwrap()
            .token;
        TestGrant { grant, token }
    }

    pub(crate) async fn chat(&self, grant: &TestGrant, body: &Value) -> Answer {
        let bearer = grant.bearer();
        self.post_json("/openai/v1/chat/completions", &[("authorization", &bearer)], body)
            .await
    }

    /// The id of an alert of `user`, whose only request is used.
    pub(crate) async fn alert(&self, user: &TestUser) -> String {
        let mut access = access_to(self, "openai");
        access.limits.requests = [(None, 1)].into();
        let grant = self.grant(user, vec![access]).await;
        self.chat(&grant, &chat(5)).await;
        self.settled().await;
        let of = AlertsOf {
            user_id: &user.id,
            and_tenant: false,
        };
        let alerts = self.app.store.alerts_of(&self.app.tenant_id, of, true, 1).await;
        alerts.unwrap().remove(0).id
    }

    pub(crate) async fn revoke(&self, grant: &TestGrant) {
        let event = self.grant_event(
            grant,
            Happened::GrantRevoked {
                reason: RevocationReason::ByUser,
            },
        );
        self.app.store.revoke_grant(grant.id(), &event).await.unwrap();
    }

    pub(crate) fn grant_event(&self, grant: &TestGrant, what: Happened) -> AuditEvent {
        AuditEvent {
            tenant_id: self.app.tenant_id.clone(),
            at: self.app.clock.now(),
            actor: Actor::User(grant.grant.user_id.clone()),
            user_id: Some(grant.grant.user_id.clone()),
            grant_id: Some(grant.id().clone()),
            what,
        }
    }
}
