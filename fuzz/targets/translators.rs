//! Any request on `/v1` for any provider, and any answer to it, cut anywhere: what is translated can be
//! read by the provider's adapter or is refused by it, an answer comes out the same however it is cut,
//! and all that comes out is JSON, but for a sound.
#![no_main]

use std::sync::LazyLock;

use aipassport_domain::ids::ProviderId;
use aipassport_providers::{
    adapter::{self, Unread},
    meter::StreamForm,
    prices::PriceBook,
    translate::{Address, AnswerPlan, FaceOperation, Stamp, Way},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

static PRICES: LazyLock<PriceBook> = LazyLock::new(|| PriceBook::embedded().expect("the snapshot is readable"));

const PROVIDERS: [&str; 5] = ["anthropic", "gemini", "cohere", "mistral", "vllm"];
const PATHS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/images/generations",
    "/v1/audio/speech",
];
const FORMS: [StreamForm; 3] = [StreamForm::Events, StreamForm::Lines, StreamForm::Items];

/// Parts the request from the answer; no UTF-8 has it.
const BORDER: u8 = 0xFF;

fuzz_target!(|input: &[u8]| {
    let [provider, path, form, cut, rest @ ..] = input else {
        return;
    };
    let provider = PROVIDERS[usize::from(*provider) % PROVIDERS.len()];
    let path = PATHS[usize::from(*path) % PATHS.len()];
    let form = FORMS[usize::from(*form) % FORMS.len()];
    let mut parts = rest.splitn(2, |byte| *byte == BORDER);
    let request = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    let answer = parts.next().unwrap_or_default();

    let Ok(address) = Address::read(&request) else { return };
    let request = address.rewrite(request, "some-model");
    assert_eq!(Address::read(&request).expect("still addressed").model, "some-model");
    let operation = FaceOperation::at(&Method::POST, path).expect("on the list");
    match operation.to_provider(provider, request) {
        Ok(Way::Translated(translated)) => {
            read_upstream(provider, &translated.path, translated.body);
            understand(&translated.plan, form, usize::from(*cut).max(1), answer);
        }
        Ok(Way::AsItIs { path, body, .. }) => read_upstream(provider, &path, body),
        Err(_) => {}
    }
});

/// What we wrote is strict JSON, whatever else the adapter says of it.
fn read_upstream(provider: &str, path: &str, body: Bytes) {
    serde_json::from_slice::<Box<RawValue>>(&body).expect("JSON");
    let adapter = adapter::by_id(provider).expect("a provider");
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let Some(route) = adapter.route(&Method::POST, path, query) else {
        return;
    };
    let _ = adapter.read(&Unread {
        provider: &ProviderId::new(provider),
        route: &route,
        headers: &HeaderMap::new(),
        body,
        prices: &PRICES,
    });
}

fn understand(plan: &AnswerPlan, form: StreamForm, step: usize, answer: &[u8]) {
    let whole = feed(plan, Some(form), std::iter::once(answer));
    let cut = feed(plan, Some(form), answer.chunks(step));
    assert_eq!(whole, cut, "cut after every {step} bytes");
    for data in String::from_utf8(whole.expect("a stream ends")).expect("text").lines() {
        if let Some(data) = data.strip_prefix("data: ").filter(|data| *data != "[DONE]") {
            serde_json::from_str::<Box<RawValue>>(data).expect("JSON");
        }
    }
    let is_json = plan.media_type(StatusCode::OK) == "application/json";
    if let Some(body) = feed(plan, None, std::iter::once(answer)).filter(|_| is_json) {
        serde_json::from_slice::<Box<RawValue>>(&body).expect("JSON");
    }
    let failure = plan.failure(StatusCode::BAD_REQUEST, answer);
    serde_json::from_slice::<Box<RawValue>>(&failure).expect("JSON");
}

fn feed<'a>(plan: &AnswerPlan, form: Option<StreamForm>, chunks: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let stamp = Stamp {
        id: "call".to_owned(),
        created: 0,
    };
    let mut answer = plan.begin(stamp, form);
    let mut seen = Vec::new();
    for chunk in chunks {
        seen.extend_from_slice(&answer.feed(Bytes::copy_from_slice(chunk)));
    }
    seen.extend_from_slice(&answer.end().ok()?);
    Some(seen)
}
