//! Short ways to ask an adapter.

use std::sync::LazyLock;

use aipassport_domain::{
    authorization_details::Features,
    ids::ProviderId,
    ledger::{Amount, Level, LimitReached, LimitRule, LimitState},
    money::Money,
    policy::{CallCost, CostCeiling, Denial},
    time::{Period, Timestamp},
};
use aipassport_providers::{
    adapter::{self, ProviderAdapter, Unread},
    prices::PriceBook,
    request::{ReadError, ReadRequest},
};
use bytes::Bytes;
use http::{HeaderMap, Method};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const RESPONSES: &str = "/v1/responses";
pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const PATHS: [&str; 3] = [CHAT, RESPONSES, MESSAGES];

/// Reading the snapshot takes longer than most tests.
pub(crate) static PRICES: LazyLock<PriceBook> = LazyLock::new(|| PriceBook::embedded().unwrap());

/// What users have said that servers of their own cost.
pub(crate) static OWN_PRICES: LazyLock<PriceBook> =
    LazyLock::new(|| PriceBook::parse(include_str!("../own_prices.json"), "sha256:own").unwrap());

pub(crate) fn provider_of(path: &str) -> &'static dyn ProviderAdapter {
    let id = if path.starts_with(MESSAGES) {
        "anthropic"
    } else {
        "openai"
    };
    adapter::by_id(id).unwrap()
}

pub(crate) fn read(path: &str, body: &str) -> Result<ReadRequest, ReadError> {
    read_with(path, &HeaderMap::new(), body)
}

pub(crate) fn read_with(path: &str, headers: &HeaderMap, body: &str) -> Result<ReadRequest, ReadError> {
    read_by(provider_of(path), path, headers, body)
}

pub(crate) fn read_at(provider: &dyn ProviderAdapter, path: &str, body: &str) -> Result<ReadRequest, ReadError> {
    read_by(provider, path, &HeaderMap::new(), body)
}

fn read_by(
    provider: &dyn ProviderAdapter,
    path: &str,
    headers: &HeaderMap,
    body: &str,
) -> Result<ReadRequest, ReadError> {
    let route = provider.route(&Method::POST, path, None).expect(path);
    provider.read(&Unread {
        provider: &ProviderId::new(provider.id()),
        route: &route,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        prices: &PRICES,
    })
}

/// The request upstream for a body with these further members.
pub(crate) fn with(path: &str, members: &str) -> Result<ReadRequest, ReadError> {
    let start = match path {
        CHAT => r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]"#,
        RESPONSES => r#"{"model":"gpt-4o-mini","input":"Hi""#,
        _ => r#"{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]"#,
    };
    read(path, &format!("{start},{members}}}"))
}

/// The names of the features that a request uses.
pub(crate) fn features(path: &str, members: &str) -> Vec<&'static str> {
    used(&with(path, members).expect(members))
}

pub(crate) fn used(read: &ReadRequest) -> Vec<&'static str> {
    let features: Features = read.call.features;
    let used = features.named().into_iter().filter(|(_, is_used)| *is_used);
    used.map(|(name, _)| name).collect()
}

pub(crate) fn ceiling(read: &ReadRequest) -> CostCeiling {
    let CallCost::AtMost(ceiling) = read.call.cost else {
        unreachable!("{:?}", read.call.cost)
    };
    ceiling
}

pub(crate) fn refused(path: &str, members: &str) -> ReadError {
    with(path, members).expect_err(members)
}

/// A limit that was reached.
pub(crate) fn limit(rule: LimitRule) -> Denial {
    limit_of(Level::Grant, rule)
}

pub(crate) fn limit_of(level: Level, rule: LimitRule) -> Denial {
    Denial::Limit(LimitReached {
        rule,
        state: LimitState {
            level,
            rule,
            limit: Amount::Money(Money::from_cents(500)),
            used: Amount::Money(Money::from_cents(410)),
            reserved: Amount::Money(Money::from_cents(2)),
            window: Some(Period::MONTH),
            resets_at: Some(Timestamp::from_seconds(1_796_083_200)),
        },
        retry_at: None,
        retryable: false,
    })
}
