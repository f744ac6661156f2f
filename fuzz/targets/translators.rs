//! Any request on `/v1` or `/proxy/chat` for any provider, and any answer to it, cut anywhere: what is
//! translated can be read by the provider's adapter or is refused by it, an answer comes out the same
//! however it is cut, and all that comes out is JSON, but for a sound.
#![no_main]

mod json;
mod reached;
mod routes;

use aipassport_providers::{
    meter::StreamForm,
    translate::{Address, AnswerPlan, FaceOperation, Stamp, Way, own_chat},
};
use bytes::Bytes;
use http::{Method, StatusCode};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};
use serde_json::value::RawValue;

const PROVIDERS: [&str; 5] = ["anthropic", "gemini", "cohere", "mistral", "vllm"];
const PATHS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/images/generations",
    "/v1/audio/speech",
];
const FORMS: [StreamForm; 3] = [StreamForm::Events, StreamForm::Lines, StreamForm::Items];

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, 4)
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let [provider, path, form, cut, rest @ ..] = input else {
        return Corpus::Reject;
    };
    let provider = PROVIDERS[usize::from(*provider) % PROVIDERS.len()];
    let form = FORMS[usize::from(*form) % FORMS.len()];
    let (request, answer) = routes::halves(rest);

    let Ok(address) = Address::read(&request) else {
        reached::count(&[]);
        return Corpus::Reject;
    };
    let request = address.rewrite(request, "some-model");
    assert_eq!(Address::read(&request).expect("still addressed").model, "some-model");
    let Some(path) = PATHS.get(usize::from(*path) % (PATHS.len() + 1)) else {
        let sent = own_chat(provider, request);
        if let Ok((path, body)) = &sent {
            read_upstream(provider, path, body.clone());
        }
        reached::count(&[if sent.is_ok() { "/proxy/chat" } else { "refused" }]);
        return if sent.is_ok() { Corpus::Keep } else { Corpus::Reject };
    };
    let operation = FaceOperation::at(&Method::POST, path).expect("on the list");
    match operation.to_provider(provider, request) {
        Ok(Way::Translated(translated)) => {
            read_upstream(provider, &translated.path, translated.body);
            let said = understand(&translated.plan, form, usize::from(*cut).max(1), answer);
            reached::count(&[&format!("{path} to {provider}"), said]);
            Corpus::Keep
        }
        Ok(Way::AsItIs { path, body, .. }) => {
            read_upstream(provider, &path, body);
            reached::count(&[&format!("{path} to {provider}")]);
            Corpus::Keep
        }
        Err(_) => {
            reached::count(&["refused"]);
            Corpus::Reject
        }
    }
});

/// What we wrote is strict JSON, whatever else the adapter says of it.
fn read_upstream(provider: &str, path: &str, body: Bytes) {
    serde_json::from_slice::<Box<RawValue>>(&body).expect("JSON");
    let path = format!("/{provider}{path}");
    let (path, query) = path
        .split_once('?')
        .map_or((path.as_str(), None), |(path, query)| (path, Some(query)));
    if let Some(picked) = routes::at(path, query) {
        let _ = picked.read(body);
    }
}

/// Says what of the answer was understood.
fn understand(plan: &AnswerPlan, form: StreamForm, step: usize, answer: &[u8]) -> &'static str {
    let whole = feed(plan, Some(form), std::iter::once(answer));
    let cut = feed(plan, Some(form), answer.chunks(step));
    assert_eq!(whole, cut, "cut after every {step} bytes");
    let mut events = 0;
    for data in String::from_utf8(whole.expect("a stream ends")).expect("text").lines() {
        if let Some(data) = data.strip_prefix("data: ").filter(|data| *data != "[DONE]") {
            serde_json::from_str::<Box<RawValue>>(data).expect("JSON");
            events += 1;
        }
    }
    let body = feed(plan, None, std::iter::once(answer));
    if let Some(body) = &body
        && plan.media_type(StatusCode::OK) == "application/json"
    {
        serde_json::from_slice::<Box<RawValue>>(body).expect("JSON");
    }
    let failure = plan.failure(StatusCode::BAD_REQUEST, answer);
    serde_json::from_slice::<Box<RawValue>>(&failure).expect("JSON");
    match (body, events) {
        (Some(_), _) => "a whole answer",
        (None, 0) => "nothing understood",
        (None, _) => "a stream",
    }
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
