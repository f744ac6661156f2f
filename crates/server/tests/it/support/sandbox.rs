//! The sandbox provider before a broker, and its bill beside the broker's books.

use std::net::SocketAddr;

use aipassport::sandbox::provider::{Sandbox, SandboxOptions};
use aipassport_domain::{
    authorization_details::{Capability, Choice, ModelPattern},
    money::Money,
};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{
    TestBroker,
    grant::{TestGrant, access_to},
    http::Answer,
    ledger::eventually,
};

/// A sandbox provider that serves until the test ends.
pub(crate) struct TestSandbox {
    pub(crate) sandbox: Sandbox,
    address: SocketAddr,
}

impl TestSandbox {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sandbox = Sandbox::new(SandboxOptions::default());
        let serving = sandbox.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        Self { sandbox, address }
    }

    /// What the last call costs by the sandbox's own arithmetic.
    pub(crate) fn last_cost(&self) -> Money {
        let row = self.sandbox.bill().rows.pop().unwrap();
        Money::from_nanos(i64::try_from(row.cost_nanos).unwrap())
    }
}

impl TestBroker {
    /// A broker whose `provider` is the sandbox.
    pub(crate) async fn before_sandbox(sandbox: &TestSandbox, provider: &str) -> Self {
        Self::start_with(|config| {
            config.upstreams.allow.push(sandbox.address.to_string());
            let base_url = format!("http://{}/{provider}", sandbox.address);
            config.upstreams.base_urls.push((provider.to_owned(), base_url));
        })
        .await
    }

    /// A grant of everything that these models can do, with tools and nothing further.
    pub(crate) async fn granted_models(&self, provider: &str, models: &[&str]) -> TestGrant {
        let user = self.user(&self.app.random.id(self.app.clock.now())).await;
        self.credential(&user, provider, None).await;
        let mut access = access_to(self, provider);
        access.models = Choice::of(models.iter().map(|id| ModelPattern::Exact((*id).to_owned())));
        access.capabilities = Choice::of(Capability::ALL);
        self.grant(&user, vec![access]).await
    }

    /// Calls with the grant's token where the SDK of `provider` has its key.
    pub(crate) async fn call(&self, grant: &TestGrant, path: &str, body: &Value) -> Answer {
        let bearer = grant.bearer();
        self.post_json(path, &[("authorization", &bearer)], body).await
    }

    /// Calls, and checks that the books say what the sandbox bills.
    pub(crate) async fn billed_call(
        &self,
        sandbox: &TestSandbox,
        grant: &TestGrant,
        path: &str,
        body: &Value,
    ) -> Answer {
        let before = self.settled_calls(grant).await.len();
        let answer = self.call(grant, path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(self.billed(sandbox, grant, before).await, "reported", "{path} {body}");
        answer
    }

    /// The label of the call after so many `before`, once it is settled at what the sandbox bills.
    pub(crate) async fn billed(&self, sandbox: &TestSandbox, grant: &TestGrant, before: usize) -> &'static str {
        eventually(async || self.settled_calls(grant).await.len() > before).await;
        let settled = self.settled_calls(grant).await.pop().unwrap();
        assert_eq!(settled.cost, sandbox.last_cost());
        settled.label.as_str()
    }
}
