//! A broker before a sandbox provider, and the clients that call through it.

use std::collections::{BTreeMap, HashMap};

use aipassport::sandbox::provider::{Bill, Sandbox, SandboxOptions};
use aipassport_domain::{
    audit::Happened,
    authorization_details::{AiAccess, Choice, ModelPattern},
    ids::{CallId, GrantId, ProviderId},
    limits::Limits,
    money::Money,
    price_override::{OwnPrice, OwnRates, PriceOverride, PriceTerms},
    time::Period,
};
use aipassport_store::{CallPage, CallRecord, CallsOf, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    books::Told,
    client::Client,
    operations::{Content, MINE, OPERATIONS, Operation},
    question::draw,
};
use crate::support::{TestBroker, TestUser, grant::TestGrant, http::FORM_TYPE, ledger::eventually};

/// What a grant may spend at each provider: all that it wants, or on a few calls.
const RICH: Money = Money::from_cents(100_000_000);
const POOR: Money = Money::from_cents(3);

/// A broker before a sandbox provider, a user with a key for each, and two clients.
pub(super) struct Stage {
    broker: TestBroker,
    sandbox: Sandbox,
    user: TestUser,
    rich: TestGrant,
    poor: TestGrant,
    end: CancellationToken,
}

/// A call that was made.
pub(super) struct Call {
    number: u64,
    /// As the client heard it, if it waited.
    status: Option<u16>,
    found_by: FoundBy,
}

/// How a call is found in the ledger.
#[derive(PartialEq, Eq, Hash)]
enum FoundBy {
    Id(CallId),
    Grant(GrantId),
}

/// The calls in the ledger, once nothing can change any more.
pub(super) struct Records {
    all: Vec<CallRecord>,
    places: HashMap<FoundBy, usize>,
}

/// What the servers of one's own cost, as their owner says and the sandbox bills: dollars for a
/// million tokens of input, of input from the cache, and of output.
const OWN_PRICES: [(&str, &str, [&str; 3]); 7] = [
    ("ollama", "llama3.2:3b", ["0.10", "0.10", "0.40"]),
    ("ollama", "nomic-embed-text", ["0.01", "0.01", "0.00"]),
    ("vllm", "qwen3-8b", ["0.20", "0.10", "0.60"]),
    ("vllm", "meta-llama/Llama-3.1-8B-Instruct", ["0.10", "0.10", "0.10"]),
    ("vllm", "bge-m3", ["0.02", "0.02", "0.00"]),
    (MINE, "house-model", ["0.50", "0.50", "1.50"]),
    (MINE, "house-embedder", ["0.02", "0.02", "0.00"]),
];

async fn say(broker: &TestBroker, user: &TestUser, provider: &str, model: &str, price: [&str; 3]) {
    let [input, cached_input, output] = price.map(|dollars| dollars.parse::<Money>().unwrap());
    let said = PriceOverride {
        provider: ProviderId::new(provider),
        model: Some(model.to_owned()),
        price: OwnPrice {
            max_output_tokens: Some(4_096),
            ..OwnPrice::of(PriceTerms::PerMillion(OwnRates {
                input,
                output,
                cached_input: Some(cached_input),
            }))
        },
    };
    let set = Happened::PriceSet {
        provider: said.provider.clone(),
        model: said.model.clone(),
        price: said.price,
    };
    let event = broker.event(Some(&user.id), set);
    broker.app.store.set_price(&user.id, &said, &event).await.unwrap();
}

fn providers() -> BTreeMap<&'static str, Vec<&'static Operation>> {
    let mut providers: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for operation in OPERATIONS {
        providers.entry(operation.provider).or_default().push(operation);
    }
    providers
}

/// Everything that is in the table, at every provider.
fn all_access(budget: Money) -> Vec<AiAccess> {
    let access = |(provider, operations): (&str, Vec<&Operation>)| AiAccess {
        models: Choice::of(
            operations
                .iter()
                .flat_map(|operation| operation.models)
                .map(|model| ModelPattern::Exact((*model).to_owned())),
        ),
        capabilities: Choice::of(operations.iter().map(|operation| operation.capability)),
        limits: Limits {
            budget: [(Some(Period::MONTH), budget)].into(),
            requests: [(Some(Period::MONTH), 1_000_000)].into(),
            rate: [(Period::MINUTE, 1_000_000)].into(),
            concurrency: Some(1_000),
            output_tokens_per_request: None,
        },
        ..AiAccess::open(ProviderId::new(provider))
    };
    providers().into_iter().map(access).collect()
}

impl Stage {
    pub(super) async fn set() -> Self {
        let sandbox = Sandbox::new(SandboxOptions::default());
        let end = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (serving, ended) = (sandbox.clone(), end.clone());
        tokio::spawn(async move { serving.serve(listener, ended.cancelled_owned()).await });

        let broker = TestBroker::start_with(|config| config.upstreams.allow.push(address.to_string())).await;
        let user = broker.user("robin").await;
        for provider in providers().into_keys() {
            let path = if provider == MINE { "custom/v1" } else { provider };
            let base_url = format!("http://{address}/{path}");
            broker.credential(&user, provider, Some(base_url)).await;
        }
        for (provider, model, price) in OWN_PRICES {
            say(&broker, &user, provider, model, price).await;
        }
        let rich = broker.grant(&user, all_access(RICH)).await;
        let poor = broker.grant(&user, all_access(POOR)).await;
        Self {
            broker,
            sandbox,
            user,
            rich,
            poor,
            end,
        }
    }

    /// Makes one call, and tells how it is found in the ledger.
    pub(super) async fn call(&self, client: &mut Client, seed: u64, number: u64) -> Call {
        let drawn = draw(seed, number);
        // A call whose id nobody may learn is the only one of its grant.
        let own = if drawn.may_go_unheard() {
            Some(self.broker.grant(&self.user, all_access(RICH)).await)
        } else {
            None
        };
        let grant = own
            .as_ref()
            .unwrap_or(if drawn.is_poor { &self.poor } else { &self.rich });
        let operation = drawn.operation;
        let (kind, body) = match (operation.body)(&drawn.question) {
            Content::Json(value) => ("application/json", value.to_string().into()),
            Content::Form(parts) => (FORM_TYPE, parts.into()),
        };
        let bearer = grant.bearer();
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", kind),
            ("anthropic-version", "2023-06-01"),
        ];
        let request = self.broker.request("POST", &operation.url(drawn.model), &headers, body);
        let heard = client.send(&self.broker, request, drawn.hang_up).await;
        Call {
            number,
            status: heard.as_ref().map(|heard| heard.status),
            found_by: match (heard, own) {
                (_, Some(own)) => FoundBy::Grant(own.id().clone()),
                (Some(heard), None) => FoundBy::Id(heard.call_id),
                (None, None) => unreachable!("call {number} was not answered"),
            },
        }
    }

    /// Stops the broker once the provider is done, and takes its ledger and the provider's bill.
    pub(super) async fn close(&mut self) -> (Records, Bill) {
        eventually(async || self.sandbox.open_calls() == 0).await;
        self.broker.stop().await;
        self.end.cancel();

        let app = &self.broker.app;
        let store = Store::open(&app.config.database, "the test").await.unwrap();
        let page = CallPage {
            before: None,
            limit: u32::MAX,
        };
        let calls = store.calls_of(&app.tenant_id, CallsOf::User(&self.user.id), &page);
        let all = calls.await.unwrap();
        store.close().await;
        (Records::new(all), self.sandbox.bill())
    }

    /// That no grant spent more at a provider than it may.
    pub(super) fn assert_within_budgets(&self, records: &Records) {
        let mut spent: BTreeMap<(&GrantId, &ProviderId), i128> = BTreeMap::new();
        for record in &records.all {
            let cost = record
                .settled
                .as_ref()
                .map_or(record.held.amount, |settled| settled.cost);
            *spent.entry((&record.grant_id, &record.provider)).or_default() += i128::from(cost.nanos());
        }
        for ((grant_id, provider), spent) in spent {
            let budget = if grant_id == self.poor.id() { POOR } else { RICH };
            let is_within = spent <= i128::from(budget.nanos());
            assert!(is_within, "{spent} were spent at {provider} of {budget}");
        }
    }
}

impl Records {
    fn new(all: Vec<CallRecord>) -> Self {
        let places = all.iter().enumerate().flat_map(|(place, record)| {
            let (id, grant_id) = (record.id.clone(), record.grant_id.clone());
            [(FoundBy::Id(id), place), (FoundBy::Grant(grant_id), place)]
        });
        let places = places.collect();
        Self { all, places }
    }
}

impl Call {
    pub(super) fn told(self, records: &Records) -> Told {
        let place = records.places.get(&self.found_by);
        Told {
            number: self.number,
            status: self.status,
            record: place.map(|place| records.all[*place].clone()),
        }
    }
}
