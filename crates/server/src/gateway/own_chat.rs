//! `POST /proxy/chat`, the face that AIPassport 0.2 had: the grant says which provider, the body is
//! what its chat takes, and the answer is the provider's own. Refusals are plain JSON.
//!
//! What apps sent to 0.2, `{model, messages}`, OpenAI takes as it is, and Anthropic with the system
//! messages where it wants them. From there on a call is like any other: `proxy.rs`.

use aipassport_domain::{authorization_details::AiAccess, grant::Grant, ids::ProviderId};
use aipassport_providers::adapter::{self, ProviderAdapter};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderValue, Uri, header, request};
use serde_json::{Map, Value};

use super::{authenticate::authenticate, error::GatewayError, own_grant::plain, proxy, read::RequestBody};
use crate::{app::App, unique_json};

/// Deeper than any schema of a tool.
const DEEPEST: u8 = 100;
/// Which Anthropic API this is written for; 0.2 sent the same.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

pub(super) async fn chat(State(app): State<App>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    match addressed(&app, head, body).await {
        Ok((addressed, request)) => proxy::answer(&app, addressed, None, request).await,
        Err(error) => plain::respond(&app, Err(error)),
    }
}

/// The same request as it would have come to the path of the provider that the grant is for.
async fn addressed(
    app: &App,
    mut head: request::Parts,
    body: Body,
) -> Result<((&'static dyn ProviderAdapter, ProviderId), Request), GatewayError> {
    let caller = authenticate(app, &head, None, app.clock.now()).await?;
    let mut body = RequestBody::Unread(body);
    let body = body.read(app, &caller.token.grant_id, &head.headers).await?;
    let Ok(Value::Object(members)) = unique_json::read(&body, DEEPEST) else {
        return Err(GatewayError::Malformed("the body is one JSON object"));
    };
    let access = access_for(caller.grant.grant(), &members).ok_or(GatewayError::NotFound)?;
    let provider = &access.provider;
    let adapter = adapter::by_id(provider.as_str()).ok_or(GatewayError::NotFound)?;

    let (path, body) = match adapter.id() {
        "openai" | "ollama" | "vllm" | "custom" => ("v1/chat/completions", body),
        "anthropic" => ("v1/messages", to_messages(members)),
        _ => return Err(GatewayError::NotFound),
    };
    let path = format!("/{provider}/{path}");
    let addressed = adapter::at_path(&path).ok_or(GatewayError::NotFound)?;
    head.uri = Uri::try_from(path).map_err(|_| GatewayError::NotFound)?;
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.entry("anthropic-version").or_insert(ANTHROPIC_VERSION);
    Ok((addressed, Request::from_parts(head, Body::from(body))))
}

/// What covers the model; where nothing does, the first, by which the call is then refused.
fn access_for<'a>(grant: &'a Grant, members: &Map<String, Value>) -> Option<&'a AiAccess> {
    let model = members.get("model").and_then(Value::as_str).unwrap_or_default();
    let mut details = grant.authorization_details.iter();
    let first = details.clone().next();
    details.find(|access| access.covers_model(model)).or(first)
}

/// Moves system messages to `system`, as Anthropic has it; everything else stays as it came.
fn to_messages(mut members: Map<String, Value>) -> Bytes {
    if let Some(Value::Array(messages)) = members.get_mut("messages") {
        let is_system = |message: &Value| message.get("role").is_some_and(|role| role == "system");
        let system: Vec<Value> = messages
            .extract_if(.., |message| is_system(message))
            .filter_map(|message| message.get("content").cloned())
            .flat_map(to_blocks)
            .collect();
        if !system.is_empty() {
            members.entry("system").or_insert(Value::Array(system));
        }
    }
    Bytes::from(Value::Object(members).to_string())
}

/// Text becomes a block; blocks stay.
fn to_blocks(content: Value) -> Vec<Value> {
    match content {
        Value::Array(blocks) => blocks,
        text => vec![serde_json::json!({"type": "text", "text": text})],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn translated(body: &Value) -> Value {
        let members = body.as_object().unwrap().clone();
        serde_json::from_slice(&to_messages(members)).unwrap()
    }

    #[test]
    fn system_messages_go_where_anthropic_wants_them() {
        let body = json!({"model": "claude", "temperature": 0.7, "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Hello"},
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        ]});

        let sent = translated(&body);

        assert_eq!(
            sent["system"],
            json!([{"type": "text", "text": "Be short."}, {"type": "text", "text": "Be kind."}])
        );
        assert_eq!(sent["messages"], json!([{"role": "user", "content": "Hello"}]));
        assert_eq!((&sent["model"], &sent["temperature"]), (&json!("claude"), &json!(0.7)));
    }

    #[test]
    fn what_needs_no_translation_stays_as_it_is() {
        for body in [
            json!({"model": "claude", "system": "Be short.", "messages": [{"role": "user", "content": "Hello"}]}),
            json!({"model": "claude", "messages": "not even a list"}),
            json!({}),
        ] {
            assert_eq!(translated(&body), body);
        }
    }
}
