//! Which models a key really has, by the provider's own free list.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::adapter::ProviderAdapter;

/// Path and query of the whole list, on one page.
pub fn path(adapter: &dyn ProviderAdapter) -> &'static str {
    match adapter.id() {
        "anthropic" => "/v1/models?limit=1000",
        "gemini" => "/v1beta/models?pageSize=1000",
        "cohere" => "/v1/models?page_size=1000",
        _ => "/v1/models",
    }
}

/// A list in any of the providers' shapes.
#[derive(Deserialize)]
struct List {
    #[serde(alias = "models")]
    data: Vec<Listed>,
    #[serde(default)]
    has_more: bool,
    #[serde(alias = "nextPageToken")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: Option<String>,
    name: Option<String>,
}

/// The ids in a provider's answer, as calls name them; `None` where it is no list of models, or not the
/// whole of one.
pub fn listed(body: &[u8]) -> Option<BTreeSet<String>> {
    let list: List = serde_json::from_slice(body).ok()?;
    if list.has_more || list.next_page_token.is_some_and(|token| !token.is_empty()) {
        return None;
    }
    let ids = list.data.into_iter().filter_map(|model| model.id.or(model.name));
    // Google writes what kind of thing it is in front.
    let ids = ids.map(|id| id.strip_prefix("models/").map_or(id.clone(), str::to_owned));
    Some(ids.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter;

    #[test]
    fn the_list_of_every_provider_is_understood() {
        for (body, ids) in [
            (
                r#"{"object":"list","data":[{"id":"gpt-4o-mini","object":"model"}]}"#,
                &["gpt-4o-mini"][..],
            ),
            (
                r#"{"data":[{"type":"model","id":"claude-opus-4-7","display_name":"x"}],"has_more":false}"#,
                &["claude-opus-4-7"],
            ),
            (
                r#"{"models":[{"name":"models/gemini-2.5-pro","displayName":"x"}]}"#,
                &["gemini-2.5-pro"],
            ),
            (
                r#"{"models":[{"name":"command-a-03-2025","endpoints":["chat"]}]}"#,
                &["command-a-03-2025"],
            ),
            (r#"{"data":[]}"#, &[]),
        ] {
            let listed = listed(body.as_bytes()).unwrap();
            assert!(listed.iter().eq(ids), "{body}: {listed:?}");
        }
        assert_eq!(listed(br#"{"error":{}}"#), None);
        assert_eq!(listed(br#"{"data":[{"id":"a"}],"has_more":true}"#), None);
        assert_eq!(listed(br#"{"models":[{"name":"models/a"}],"nextPageToken":"b"}"#), None);
    }

    #[test]
    fn the_whole_list_is_asked_for() {
        for (provider, asked) in [
            ("openai", "/v1/models"),
            ("anthropic", "/v1/models?limit=1000"),
            ("gemini", "/v1beta/models?pageSize=1000"),
            ("cohere", "/v1/models?page_size=1000"),
        ] {
            assert_eq!(path(adapter::by_id(provider).unwrap()), asked);
        }
    }
}
