//! Servers of a user's own: vLLM, Ollama and one that nobody knows, each before the sandbox, whose
//! bill is its own arithmetic.

mod custom;
mod ollama;
mod prices;
mod refused;
mod upstreams;
mod v1;
mod vllm;

use aipassport::sandbox::provider::{Bill, Sandbox, SandboxOptions};
use aipassport_domain::{
    audit::Happened,
    authorization_details::{Capability, Choice, ModelPattern},
    ids::ProviderId,
    money::Money,
    price_override::{OwnPrice, OwnRates, PriceOverride, PriceTerms},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    TestBroker, TestUser,
    grant::{TestGrant, access_to},
    http::Answer,
};

/// A broker, and a sandbox in which all of its users have their servers.
struct Home {
    broker: TestBroker,
    sandbox: Sandbox,
    /// The sandbox's.
    base_url: String,
}

impl Home {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sandbox = Sandbox::new(SandboxOptions {
            most_requests: 100,
            ..SandboxOptions::default()
        });
        let serving = sandbox.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        let broker = TestBroker::start_with(|config| config.upstreams.allow.push(address.to_string())).await;
        Self {
            broker,
            sandbox,
            base_url: format!("http://{address}"),
        }
    }

    /// Where `provider` answers.
    fn base_url_of(&self, provider: &str) -> String {
        match provider {
            "custom/lab" => format!("{}/custom/v1", self.base_url),
            provider => format!("{}/{provider}", self.base_url),
        }
    }

    /// A user has a server, has said what it costs, and has granted chat and embeddings with `models`.
    async fn granted(&self, provider: &str, models: &[&str], said: Option<OwnPrice>) -> TestGrant {
        let user = self.user_with(provider, &self.base_url_of(provider)).await;
        if let Some(price) = said {
            self.say(&user, provider, price).await;
        }
        self.grant(&user, provider, models).await
    }

    async fn user_with(&self, provider: &str, base_url: &str) -> TestUser {
        let user = self
            .broker
            .user(&self.broker.app.random.id(self.broker.app.clock.now()))
            .await;
        self.broker.credential(&user, provider, Some(base_url.to_owned())).await;
        user
    }

    async fn say(&self, user: &TestUser, provider: &str, price: OwnPrice) {
        let said = PriceOverride {
            provider: ProviderId::new(provider),
            model: None,
            price,
        };
        let set = Happened::PriceSet {
            provider: said.provider.clone(),
            model: None,
            price,
        };
        let event = self.broker.event(Some(&user.id), set);
        self.broker.app.store.set_price(&user.id, &said, &event).await.unwrap();
    }

    async fn grant(&self, user: &TestUser, provider: &str, models: &[&str]) -> TestGrant {
        let mut access = access_to(&self.broker, provider);
        access.models = Choice::of(models.iter().map(|model| ModelPattern::Exact((*model).to_owned())));
        access.capabilities = Choice::of([Capability::Chat, Capability::Embeddings]);
        self.broker.grant(user, vec![access]).await
    }

    async fn post(&self, grant: &TestGrant, path: &str, body: &Value) -> Answer {
        let bearer = grant.bearer();
        self.broker.post_json(path, &[("authorization", &bearer)], body).await
    }

    /// The bill, once all is said and settled.
    async fn bill(&self) -> Bill {
        self.broker.settled().await;
        while self.sandbox.open_calls() > 0 {
            tokio::task::yield_now().await;
        }
        self.sandbox.bill()
    }

    /// What all calls of `grant` cost by the ledger, in nano-dollars.
    async fn charged(&self, grant: &TestGrant) -> i128 {
        self.broker.settled().await;
        let settled = self.broker.settled_calls(grant).await;
        settled.iter().map(|call| i128::from(call.cost.nanos())).sum()
    }

    /// How often anything was sent.
    fn requests(&self) -> u64 {
        self.sandbox.seen().values().sum()
    }
}

/// Dollars for a million tokens, in and out; as much for what comes from the cache as the sandbox asks.
fn per_million(input: &str, cached_input: &str, output: &str) -> OwnPrice {
    let dollars = |text: &str| text.parse::<Money>().unwrap();
    OwnPrice {
        max_output_tokens: Some(4_096),
        ..OwnPrice::of(PriceTerms::PerMillion(OwnRates {
            input: dollars(input),
            output: dollars(output),
            cached_input: Some(dollars(cached_input)),
        }))
    }
}

fn free() -> OwnPrice {
    OwnPrice::of(PriceTerms::Free)
}

/// One way to ask a model for something.
struct Face {
    provider: &'static str,
    path: &'static str,
    model: &'static str,
    /// What is asked, as the members after `model`.
    members: &'static str,
}

const FACES: [Face; 14] = [
    Face {
        provider: "vllm",
        path: "/vllm/v1/chat/completions",
        model: "qwen3-8b",
        members: r#""messages":[{"role":"user","content":"Hi"}],"max_tokens":5"#,
    },
    Face {
        provider: "vllm",
        path: "/vllm/v1/completions",
        model: "qwen3-8b",
        members: r#""prompt":"Hi","max_tokens":5"#,
    },
    Face {
        provider: "custom/lab",
        path: "/custom/lab/v1/chat/completions",
        model: "house-model",
        members: r#""messages":[{"role":"user","content":"Hi"}],"max_tokens":5"#,
    },
    Face {
        provider: "custom/lab",
        path: "/custom/lab/v1/completions",
        model: "house-model",
        members: r#""prompt":"Hi","max_tokens":5"#,
    },
    Face {
        provider: "ollama",
        path: "/ollama/api/chat",
        model: "llama3.2:3b",
        members: r#""messages":[{"role":"user","content":"Hi"}],"options":{"num_predict":5}"#,
    },
    Face {
        provider: "ollama",
        path: "/ollama/api/generate",
        model: "llama3.2:3b",
        members: r#""prompt":"Hi","options":{"num_predict":5}"#,
    },
    Face {
        provider: "ollama",
        path: "/ollama/api/show",
        model: "llama3.2:3b",
        members: r#""verbose":false"#,
    },
    Face {
        provider: "ollama",
        path: "/ollama/v1/chat/completions",
        model: "llama3.2:3b",
        members: r#""messages":[{"role":"user","content":"Hi"}],"max_tokens":5"#,
    },
    Face {
        provider: "ollama",
        path: "/ollama/v1/completions",
        model: "llama3.2:3b",
        members: r#""prompt":"Hi","max_tokens":5"#,
    },
    Face {
        provider: "ollama",
        path: "/ollama/api/embed",
        model: "nomic-embed-text",
        members: r#""input":"Hi""#,
    },
    Face {
        provider: "ollama",
        path: "/ollama/api/embeddings",
        model: "nomic-embed-text",
        members: r#""prompt":"Hi""#,
    },
    Face {
        provider: "ollama",
        path: "/ollama/v1/embeddings",
        model: "nomic-embed-text",
        members: r#""input":"Hi""#,
    },
    Face {
        provider: "vllm",
        path: "/vllm/v1/embeddings",
        model: "bge-m3",
        members: r#""input":"Hi""#,
    },
    Face {
        provider: "custom/lab",
        path: "/custom/lab/v1/embeddings",
        model: "house-embedder",
        members: r#""input":"Hi""#,
    },
];

impl Face {
    /// Whether a model writes anything.
    fn is_generation(&self) -> bool {
        !self.path.ends_with("/show") && !self.path.contains("/embed")
    }

    fn body(&self) -> String {
        format!(r#"{{"model":"{}",{}}}"#, self.model, self.members)
    }
}

fn ask(model: &str, content: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 400})
}
