//! Webhooks: alerts posted to addresses of users, signed the way of Standard Webhooks
//! (`docs/spec/webhooks.md`).
//!
//! Begin with [`Postman`], who makes one attempt of one delivery and writes down what came of it. What
//! is due is looked for in `jobs/webhooks.rs`; tests are sent by whoever asks for one. Where a message
//! may go is decided in `address.rs` and by [`crate::outbound`], when it is tried again in
//! `schedule.rs`.

use std::time::Duration;

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, WebhookStop},
    time::Timestamp,
};
use aipassport_store::{LeasedDelivery, Message, Store, StoreError, Webhook};
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use tokio_rustls::TlsConnector;

use self::address::Address;
use crate::{
    app::App,
    clock::Clock,
    config::Config,
    outbound::{self, ConnectError, PostError},
    random::Random,
    vault::{Place, Vault, VaultError},
};

mod address;
mod message;
mod schedule;
mod signature;
mod view;

pub use self::{
    address::{host_of, is_well_formed},
    signature::new_secret,
    view::{WebhookView, views_of},
};

/// How much longer a lease is than an attempt may take: for what is written down before and after.
const LEASE_MARGIN: Duration = Duration::from_secs(45);
/// How long a secret signs that was replaced.
const FORMER_SECRET_SECONDS: i64 = 86_400;
/// So many tests a user may send in a minute: each is a request to wherever the user says.
const MOST_TESTS: u32 = 6;

/// What connections to webhooks are made with.
pub struct Webhooks {
    tls: TlsConnector,
}

#[derive(Debug, thiserror::Error)]
#[error("TLS towards webhooks cannot be set up")]
pub struct WebhooksStartError(#[from] rustls::Error);

impl Webhooks {
    pub fn new() -> Result<Self, WebhooksStartError> {
        let tls = outbound::connector(outbound::public_roots())?;
        Ok(Self { tls })
    }
}

/// What messages are sent with, by the broker and on the command line.
#[derive(Clone, Copy)]
pub struct Postman<'a> {
    pub webhooks: &'a Webhooks,
    pub config: &'a Config,
    pub store: &'a Store,
    pub vault: &'a Vault,
    pub clock: &'a dyn Clock,
    pub random: &'a dyn Random,
}

/// Why a message did not arrive: as much as its user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("its address is not one that may be reached")]
    NotAllowed,
    #[error("it could not be reached")]
    Unreachable,
    #[error("it took too long")]
    TimedOut,
    #[error("it answered {0}")]
    Answered(u16),
    #[error("its secret does not open")]
    Unsigned,
}

impl App {
    pub fn postman(&self) -> Postman<'_> {
        Postman {
            webhooks: &self.webhooks,
            config: &self.config,
            store: &self.store,
            vault: &self.vault,
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        }
    }
}

impl Postman<'_> {
    /// When the lease of an attempt ends that begins at `now`.
    pub fn leased_until(&self, now: Timestamp) -> Timestamp {
        let longest = self.config.webhooks.answer_timeout + LEASE_MARGIN;
        now.plus_millis(i64::try_from(longest.as_millis()).unwrap_or(i64::MAX))
    }

    /// Makes the attempt that `leased` is for, and writes down what came of it.
    ///
    /// If the process dies here, the lease ends and the message is sent again, under the same id.
    pub async fn attempt(&self, leased: &LeasedDelivery) -> Result<Result<(), Failure>, StoreError> {
        let sent = self.send(leased).await?;
        match sent {
            Ok(()) => {
                let resumed = self.event(
                    &leased.webhook,
                    Happened::WebhookResumed {
                        webhook_id: leased.webhook.id.clone(),
                        host: host_of(&leased.webhook),
                    },
                );
                self.store.delivered(leased, &resumed).await?;
            }
            Err(failure) => {
                tracing::info!(webhook.id = %leased.webhook.id, attempt = leased.attempts, %failure, "a message did not arrive");
                self.note_failure(leased, failure).await?;
            }
        }
        Ok(sent)
    }

    /// Sends a test, and records `tested` with it. `None` if its user sent too many of late.
    pub async fn test(
        &self,
        webhook: &Webhook,
        tested: &AuditEvent,
    ) -> Result<Option<Result<(), Failure>>, StoreError> {
        let id = self.random.id(tested.at);
        let so_many = (tested.at.plus_seconds(-60), MOST_TESTS);
        let leased = self
            .store
            .lease_test(webhook, &id, so_many, self.leased_until(tested.at), tested)
            .await?;
        match leased {
            Some(leased) => self.attempt(&leased).await.map(Some),
            None => Ok(None),
        }
    }

    async fn send(&self, leased: &LeasedDelivery) -> Result<Result<(), Failure>, StoreError> {
        let Some(address) = Address::read(&leased.webhook.url, &self.config.webhooks.allow) else {
            return Ok(Err(Failure::NotAllowed));
        };
        let body = message::body(self.store, &self.config.public_url, leased).await?;
        let now = self.clock.now();
        let signatures = match self.signatures(leased, now, &body) {
            Ok(signatures) => signatures,
            Err(error) => {
                tracing::error!(webhook.id = %leased.webhook.id, %error, "a message could not be signed");
                return Ok(Err(Failure::Unsigned));
            }
        };
        let request = Request::post(&address.path)
            .header(header::HOST, &address.host_header)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "AIPassport")
            .header("webhook-id", &leased.id)
            .header("webhook-timestamp", now.seconds())
            .header("webhook-signature", signatures)
            .body(Full::from(body));
        let Ok(request) = request else {
            return Ok(Err(Failure::NotAllowed));
        };
        let patience = self.config.webhooks.answer_timeout;
        let answered = outbound::post(&address.origin, &self.webhooks.tls, request, patience).await;
        Ok(match answered {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) => Err(Failure::Answered(status.as_u16())),
            Err(error) => Err(error.into()),
        })
    }

    /// By the secret, and for a while by the one before it.
    fn signatures(&self, leased: &LeasedDelivery, now: Timestamp, body: &str) -> Result<HeaderValue, VaultError> {
        let webhook = &leased.webhook;
        let secret = self.vault.open(Place::of_webhook(&webhook.id), &webhook.sealed)?;
        let mut secrets = vec![secret];
        let former = webhook.former.as_ref();
        if let Some(former) = former.filter(|former| now < former.replaced_at.plus_seconds(FORMER_SECRET_SECONDS)) {
            secrets.push(self.vault.open(Place::of_former_webhook(&webhook.id), &former.sealed)?);
        }
        let signed = secrets
            .iter()
            .map(|secret| signature::sign(secret, &leased.id, now.seconds(), body));
        let signed: Option<Vec<String>> = signed.collect();
        let signed = signed.ok_or(VaultError::DoesNotOpen)?.join(" ");
        HeaderValue::try_from(signed).map_err(|_| VaultError::DoesNotOpen)
    }

    async fn note_failure(&self, leased: &LeasedDelivery, failure: Failure) -> Result<(), StoreError> {
        let text = failure.to_string();
        let is_test = leased.message == Message::Test;
        let again = schedule::delay_millis(leased.attempts, self.random).filter(|_| !is_test);
        let stop = match (failure, again) {
            (Failure::Answered(410), _) => WebhookStop::Gone,
            (_, Some(delay)) => {
                let due_at = self.clock.now().plus_millis(delay);
                return self.store.try_delivery_again(leased, &text, due_at).await;
            }
            (_, None) if is_test => return self.store.give_up_delivery(leased, &text, None).await,
            (_, None) => WebhookStop::Undelivered,
        };
        let stopped = self.event(
            &leased.webhook,
            Happened::WebhookStopped {
                webhook_id: leased.webhook.id.clone(),
                host: host_of(&leased.webhook),
                reason: stop,
            },
        );
        self.store.give_up_delivery(leased, &text, Some((stop, &stopped))).await
    }

    fn event(&self, webhook: &Webhook, what: Happened) -> AuditEvent {
        AuditEvent {
            tenant_id: webhook.tenant_id.clone(),
            at: self.clock.now(),
            actor: Actor::Broker,
            user_id: Some(webhook.user_id.clone()),
            grant_id: None,
            what,
        }
    }
}

impl From<PostError> for Failure {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Connect(ConnectError::NotAllowed) => Self::NotAllowed,
            PostError::TimedOut | PostError::Connect(ConnectError::TimedOut) => Self::TimedOut,
            PostError::Broken(_) | PostError::Connect(ConnectError::Unreachable(_)) => Self::Unreachable,
        }
    }
}
