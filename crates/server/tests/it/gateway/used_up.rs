//! Grants that are revoked when their money is used up, because their users chose that.

use aipassport_domain::{
    audit::{Happened, RevocationReason},
    consent::Approved,
    limits::Limits,
    money::Money,
};

use super::revocation::{open_stream, rest_of};
use crate::support::{
    TestBroker,
    grant::{TestGrant, chat},
    provider::{TestProvider, completion},
};

impl TestBroker {
    /// Gives the grant so much to spend in all, and has it revoked when that is used up.
    async fn granted_until_used_up(&self, grant: &TestGrant, amount: Money) {
        let mut access = grant.grant.authorization_details[0].clone();
        access.limits = Limits {
            budget: [(None, amount)].into(),
            ..Limits::default()
        };
        let changed = Approved {
            authorization_details: vec![access],
            expires_at: grant.grant.expires_at,
            revoke_when_used_up: true,
        };
        let event = self.grant_event(
            grant,
            Happened::GrantChanged {
                authorization_details: serde_json::Value::Null,
                expires_at: changed.expires_at,
                revoke_when_used_up: true,
            },
        );
        let store = &self.app.store;
        store.change_grant(grant.id(), &changed, &event).await.unwrap();
    }

    /// What is held for a short chat.
    async fn hold(&self) -> Money {
        let probe = self.granted().await;
        assert_eq!(self.chat(&probe, &chat(100)).await.status, 200);
        self.only_held(&probe).await
    }

    async fn times_used_up(&self, grant: &TestGrant) -> usize {
        let used_up = Happened::GrantRevoked {
            reason: RevocationReason::UsedUp,
        };
        let happened = self.happened(grant).await;
        happened.iter().filter(|what| **what == used_up).count()
    }
}

/// Makes the provider charge for the next calls all that is held for them.
fn charge_everything(provider: &TestProvider, calls: usize) {
    for _ in 0..calls {
        provider.then_json(200, &completion(900_000_000, 900_000_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_that_uses_up_the_money_is_answered_and_none_after_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    charge_everything(&provider, 3);
    let hold = broker.hold().await;
    let grant = broker.granted().await;
    broker.granted_until_used_up(&grant, hold.saturating_add(hold)).await;

    let first = broker.chat(&grant, &chat(100)).await;
    let last = broker.chat(&grant, &chat(100)).await;
    broker.settled().await;
    let late = broker.chat(&grant, &chat(100)).await;

    assert_eq!((first.status, last.status), (200, 200));
    assert!(last.text().contains("Hello there"));
    assert_eq!(
        (late.status, &late.json()["aipassport"]["rule"]),
        (401, &"grant_revoked".into())
    );
    assert_eq!(broker.times_used_up(&grant).await, 1);
    assert_eq!(broker.grant_status(grant.id()).await, "revoked");
    assert_eq!(provider.received().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_that_finds_no_money_is_told_so_and_the_streams_of_its_grant_end() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    charge_everything(&provider, 2);
    let hold = broker.hold().await;
    let grant = broker.granted().await;
    assert_eq!(broker.chat(&grant, &chat(100)).await.status, 200);
    broker.settled().await;
    let stream = open_stream(&broker, &provider, &grant).await;

    broker.granted_until_used_up(&grant, hold).await;
    let refused = broker.chat(&grant, &chat(100)).await;
    let rest = rest_of(stream).await;

    assert_eq!(refused.status, 402, "{}", refused.text());
    assert!(rest.contains("\"error\"") && rest.contains("grant_revoked"), "{rest}");
    assert_eq!(broker.times_used_up(&grant).await, 1);
    assert_eq!(broker.chat(&grant, &chat(100)).await.status, 401);
}
