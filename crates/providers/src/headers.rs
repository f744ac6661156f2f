//! Which headers pass, both ways: allow-lists, for what is not known may steer or betray.

use bytes::Bytes;
use http::HeaderMap;

/// There is room for so many that are put to those that pass.
const MORE: usize = 8;

/// A copy of the headers that are allowed, with all their values.
pub(crate) fn only(headers: &HeaderMap, is_allowed: impl Fn(&str) -> bool) -> HeaderMap {
    let mut passing = HeaderMap::with_capacity(headers.len() + MORE);
    let allowed = headers.iter().filter(|(name, _)| is_allowed(name.as_str()));
    passing.extend(allowed.map(|(name, value)| (name.clone(), value.clone())));
    passing
}

/// What any provider may see of a client's request.
///
/// Not among them: an idempotency key, for two grants on one provider credential could then be
/// given each other's answers; and `accept-encoding`, for a compressed answer cannot be metered.
pub(crate) fn is_plain_request_header(name: &str) -> bool {
    matches!(name, "content-type" | "accept" | "user-agent") || name.starts_with("x-stainless-")
}

/// What a client may see of any provider's answer.
///
/// Not among them: rate limits of the provider's, which tell of the account's other calls.
pub(crate) fn is_plain_response_header(name: &str) -> bool {
    matches!(
        name,
        "content-type" | "retry-after" | "retry-after-ms" | "x-should-retry"
    )
}

pub(crate) fn json(body: &serde_json::Value) -> Bytes {
    body.to_string().into()
}
