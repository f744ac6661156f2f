//! What the gateway itself puts into the head of an answer.

use aipassport_domain::{
    ledger::{Amount, Left, LimitState},
    money::Money,
    time::{Period, Timestamp},
};
use aipassport_providers::{adapter::ProviderAdapter, translate::Lost};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const REQUEST_ID: HeaderName = HeaderName::from_static("aipassport-request-id");
const COST: HeaderName = HeaderName::from_static("aipassport-cost");
const BUDGET_REMAINING: HeaderName = HeaderName::from_static("aipassport-budget-remaining");
const NOT_CARRIED: HeaderName = HeaderName::from_static("aipassport-not-carried");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What every answer carries; on a provider's path, the id also where its SDKs look for one. No
/// cache may keep an answer.
pub(super) fn finish(headers: &mut HeaderMap, request_id: &str, adapter: Option<&'static dyn ProviderAdapter>) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        if let Some(adapter) = adapter {
            headers.insert(adapter.request_id_header(), request_id.clone());
        }
        headers.insert(REQUEST_ID, request_id);
    }
}

/// What a translation left behind.
pub(super) fn insert_lost(headers: &mut HeaderMap, lost: &Lost) {
    if lost.names().is_empty() {
        return;
    }
    if let Ok(names) = HeaderValue::try_from(lost.names().join(", ")) {
        headers.insert(NOT_CARRIED, names);
    }
}

/// The tightest rate limit (draft-ietf-httpapi-ratelimit-headers).
pub(super) fn insert_rate_limit(headers: &mut HeaderMap, rate: &LimitState, now: Timestamp) {
    let (Amount::Count(limit), Amount::Count(left)) = (rate.limit, rate.left()) else {
        return;
    };
    let window = rate.window.and_then(Period::fixed_seconds).unwrap_or(1);
    let millis = rate.resets_at.map_or(0, |at| at.millis() - now.millis());
    let resets_in = u64::try_from(millis).unwrap_or_default().div_ceil(1000);
    if let Ok(policy) = HeaderValue::try_from(format!(r#""rate";q={limit};w={window}"#)) {
        headers.insert(RATE_LIMIT_POLICY, policy);
    }
    if let Ok(limit) = HeaderValue::try_from(format!(r#""rate";r={left};t={resets_in}"#)) {
        headers.insert(RATE_LIMIT, limit);
    }
}

/// What a call cost, where that is known before its answer is passed on.
pub(super) fn insert_cost(headers: &mut HeaderMap, left: &Left, held: Money, cost: Money) {
    if let Ok(cost) = HeaderValue::try_from(cost.to_string()) {
        headers.insert(COST, cost);
    }
    let remaining = left
        .budget
        .map(|beside| beside.saturating_add(held.saturating_sub(cost)));
    if let Some(Ok(remaining)) = remaining.map(|remaining| HeaderValue::try_from(remaining.to_string())) {
        headers.insert(BUDGET_REMAINING, remaining);
    }
}
