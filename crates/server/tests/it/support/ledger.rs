//! What the books say about a test's calls.

use std::{future::Future, time::Duration};

use aipassport_domain::{
    audit::{CallOutcome, Happened},
    ids::{CallId, GrantId},
    money::Money,
    usage::TruthLabel,
};
use aipassport_store::Page;

use super::{TestBroker, grant::TestGrant};

/// A call as it was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) cost: Money,
    pub(crate) label: TruthLabel,
    pub(crate) outcome: CallOutcome,
}

impl TestBroker {
    /// What happened to the user of `grant`, oldest first.
    pub(crate) async fn happened(&self, grant: &TestGrant) -> Vec<Happened> {
        let page = Page {
            before: None,
            limit: 1_000,
        };
        let (tenant_id, user_id) = (&self.app.tenant_id, &grant.grant.user_id);
        let mut events = self.app.store.events_of(tenant_id, user_id, page).await.unwrap();
        events.reverse();
        events.into_iter().map(|record| record.event.what).collect()
    }

    /// The calls of `grant` that are settled, oldest first.
    pub(crate) async fn settled_calls(&self, grant: &TestGrant) -> Vec<Settled> {
        let happened = self.happened(grant).await.into_iter();
        let settled = happened.filter_map(|what| match what {
            Happened::CallSettled {
                cost, label, outcome, ..
            } => Some(Settled { cost, label, outcome }),
            _ => None,
        });
        settled.collect()
    }

    /// The only call of `grant`, once it is settled.
    pub(crate) async fn only_settled(&self, grant: &TestGrant) -> Settled {
        eventually(async || !self.settled_calls(grant).await.is_empty()).await;
        self.settled().await;
        let [only] = <[Settled; 1]>::try_from(self.settled_calls(grant).await).unwrap();
        only
    }

    /// What the models of a grant cost when it was approved, as it is kept.
    pub(crate) async fn approved_prices(&self, id: &GrantId) -> String {
        let prices = self.app.store.approved_prices(&self.app.tenant_id, id);
        prices.await.unwrap().unwrap()
    }

    /// What was held for the only call of `grant`.
    pub(crate) async fn only_held(&self, grant: &TestGrant) -> Money {
        let held: Vec<Money> = self.held(grant).await.into_iter().map(|(_, held)| held).collect();
        let [only] = <[Money; 1]>::try_from(held).unwrap();
        only
    }

    pub(crate) async fn held(&self, grant: &TestGrant) -> Vec<(CallId, Money)> {
        let happened = self.happened(grant).await.into_iter();
        let held = happened.filter_map(|what| match what {
            Happened::CallReserved { call_id, held, .. } => Some((call_id, held)),
            _ => None,
        });
        held.collect()
    }
}

/// Waits until `holds`, and fails when that takes too long.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("what the test waits for did not come");
}

/// The future's output, if it comes within two seconds: the bound of every revocation.
pub(crate) async fn within_two_seconds<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(2), work).await;
    done.expect("it took longer than two seconds")
}
