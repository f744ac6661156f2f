//! Responses that the provider keeps: their paths, and where an answer says its id.

use http::Method;

use crate::{
    adapter::{Route, RouteKind},
    events::{Piece, Splitter},
    json::Reader,
    meter::StreamForm,
    request::{ObjectKind, ReadError, StoredObject},
};

const LONGEST_ID: usize = 200;

/// A path about one response: `GET` and `DELETE /v1/responses/{id}`, `GET …/input_items`,
/// `POST …/cancel`.
pub(super) fn route(method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
    let rest = path.strip_prefix("/v1/responses/")?;
    let (id, action) = rest
        .split_once('/')
        .map_or((rest, None), |(id, action)| (id, Some(action)));
    let is_there = match (method, action) {
        (&Method::GET | &Method::DELETE, None) | (&Method::POST, Some("cancel")) => query.is_none_or(str::is_empty),
        (&Method::GET, Some("input_items")) => query.is_none_or(is_page),
        _ => false,
    };
    if !is_there || !is_id(id) {
        return None;
    }
    let upstream_path = match query.filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let object = StoredObject {
        kind: ObjectKind::Response,
        id: id.to_owned(),
    };
    Some(Route {
        kind: RouteKind::Stored(object),
        upstream_path,
        model: None,
    })
}

/// As OpenAI gives them. Nothing is decoded, so nothing can hide.
fn is_id(id: &str) -> bool {
    id.strip_prefix("resp_").is_some_and(is_plain) && id.len() <= LONGEST_ID
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Which part of a list is asked for, each parameter at most once.
fn is_page(query: &str) -> bool {
    let mut seen = Vec::new();
    query.is_empty()
        || query.split('&').all(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else {
                return false;
            };
            let is_known = ["limit", "order", "after"].contains(&name) && !seen.contains(&name);
            seen.push(name);
            is_known && is_plain(value)
        })
}

/// The id in an answer, or in as much of it as has come: in a document its own, in a stream of
/// events that of the response that the first event is about.
pub(super) fn id_in(answer: &[u8]) -> Option<String> {
    if answer.trim_ascii_start().starts_with(b"{") {
        return member(answer, "id");
    }
    let mut id = None;
    let mut splitter = Splitter::new(StreamForm::Events);
    splitter.feed(answer.to_vec().into(), |piece| {
        if let (None, Piece::Event(event)) = (&id, piece)
            && let Some(data) = StreamForm::Events.data(event)
        {
            id = response(&data).and_then(|response| member(response.as_bytes(), "id"));
        }
    });
    id
}

/// The text of a member of an object, of which the end may be missing.
fn member(object: &[u8], wanted: &str) -> Option<String> {
    let mut found = None;
    let mut read = || -> Result<(), ReadError> {
        Reader::lenient(object)?.object(|reader, name| {
            if name == wanted {
                found = reader.text_or_null("id")?.map(std::borrow::Cow::into_owned);
                return Ok(());
            }
            reader.skip().map(|_| ())
        })
    };
    // It may well end before it is whole.
    let _ = read();
    found
}

fn response(event: &[u8]) -> Option<String> {
    let mut found = None;
    let mut reader = Reader::lenient(event).ok()?;
    let read = reader.object(|reader, name| {
        let value = reader.skip()?;
        if name == "response" {
            found = Some(reader.slice(value).to_owned());
        }
        Ok(())
    });
    read.ok().and(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_as_soon_as_it_is_there() {
        let document = br#"{"id": "resp_1", "object": "response", "output": [{"id": "msg_1"}]}"#;
        let created = r#"data: {"type":"response.created","response":{"id":"resp_1","output":[]}}"#;
        let stream = format!("event: response.created\n{created}\n\ndata: {{\"type\":\"x\"}}\n\n");

        let whole = |answer: &[u8], least: usize| {
            for cut in 0..=answer.len() {
                let found = id_in(&answer[..cut]);
                assert_eq!(found.is_some(), cut >= least, "{cut}");
                assert!(found.is_none_or(|id| id == "resp_1"));
            }
        };
        whole(document, r#"{"id": "resp_1""#.len());
        whole(stream.as_bytes(), stream.find("\n\n").unwrap() + 2);
        assert_eq!(id_in(br#"{"error": {"id": "resp_1"}}"#), None);
        assert_eq!(id_in(b"data: {\"id\":\"resp_1\"}\n\n"), None);
    }
}
