//! Reading our own pages: tags and forms, as far as these tests need them.

use std::collections::BTreeSet;

/// A tag: its name, and its attributes with their entities read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// Every tag of the page in its order; a closing one has a slash before its name.
pub(crate) fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = cut_tag(after);
        tags.extend(read(tag));
        rest = after;
    }
    tags
}

/// Splits at the `>` that is not within quotes.
fn cut_tag(text: &str) -> (&str, &str) {
    let mut in_quotes = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'>' if !in_quotes => return (&text[..place], &text[place + 1..]),
            _ => {}
        }
    }
    (text, "")
}

fn read(tag: &str) -> Option<Tag> {
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    if name.is_empty() || name.starts_with('!') {
        return None;
    }
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let attribute = rest[..end].trim_end_matches('/');
        if attribute.is_empty() {
            break;
        }
        let (value, after) = match rest[end..].strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => ("", rest[end..].trim_start_matches('=')),
        };
        attributes.push((attribute.to_owned(), unescape(value)));
        rest = after;
    }
    Some(Tag {
        name: name.trim_end_matches('/').to_owned(),
        attributes,
    })
}

pub(crate) fn unescape(text: &str) -> String {
    [
        ("&#34;", "\""),
        ("&#38;", "&"),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

/// What a browser would send of the form with that action, untouched and without its buttons.
pub(crate) fn form(html: &str, action: &str) -> Vec<(String, String)> {
    let tags = tags(html);
    let is_it = |tag: &Tag| tag.name == "form" && tag.get("action") == Some(action);
    let start = tags.iter().position(is_it).expect("the page has this form");
    let mut fields = Vec::new();
    let mut select = String::new();
    for tag in tags[start + 1..].iter().take_while(|tag| tag.name != "/form") {
        let name = tag.get("name").unwrap_or_default().to_owned();
        let value = tag.get("value").unwrap_or_default().to_owned();
        let is_switch = matches!(tag.get("type"), Some("checkbox" | "radio"));
        match tag.name.as_str() {
            "select" => select = name,
            "option" if tag.has("selected") => fields.push((select.clone(), value)),
            "input" if is_switch && (!tag.has("checked") || tag.has("disabled")) => {}
            "input" | "textarea" => fields.push((name, value)),
            _ => {}
        }
    }
    fields
}

/// What must hold on every page; says what does not.
pub(crate) fn faults(html: &str) -> Vec<String> {
    let tags = tags(html);
    let mut faults = Vec::new();
    let ids: Vec<&str> = tags.iter().filter_map(|tag| tag.get("id")).collect();
    if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
        faults.push(format!("an id comes twice: {ids:?}"));
    }
    faults.extend(unlabelled(&tags));
    faults.extend(broken_headings(&tags));
    for tag in &tags {
        if tag.has("style") || tag.attributes.iter().any(|(name, _)| name.starts_with("on")) {
            faults.push(format!("inline style or script: {tag:?}"));
        }
        for reference in ["aria-labelledby", "aria-describedby", "for"] {
            let named = tag.get(reference).unwrap_or_default().split_whitespace();
            faults.extend(
                named
                    .filter(|id| !ids.contains(id))
                    .map(|id| format!("{reference} names {id}, which is not there")),
            );
        }
        if tag.name == "script" && !(tag.has("nonce") && tag.has("src")) {
            faults.push("a script without a nonce".to_owned());
        }
        if tag.name == "img" || tag.name == "iframe" || tag.name == "object" {
            faults.push(format!("an embedded {}", tag.name));
        }
    }
    faults
}

/// Controls that no label names. A control inside of a label is named by it.
fn unlabelled(tags: &[Tag]) -> Vec<String> {
    let labelled: Vec<&str> = tags
        .iter()
        .filter(|tag| tag.name == "label")
        .filter_map(|tag| tag.get("for"))
        .collect();
    let mut is_in_label = false;
    let mut faults = Vec::new();
    for tag in tags {
        match tag.name.as_str() {
            "label" => is_in_label = true,
            "/label" => is_in_label = false,
            "input" | "select" | "textarea" if tag.get("type") != Some("hidden") => {
                let is_labelled =
                    is_in_label || tag.has("aria-label") || tag.get("id").is_some_and(|id| labelled.contains(&id));
                if !is_labelled {
                    faults.push(format!("no label: {tag:?}"));
                }
            }
            _ => {}
        }
    }
    faults
}

/// One h1, and no level left out.
fn broken_headings(tags: &[Tag]) -> Option<String> {
    let levels: Vec<u32> = tags
        .iter()
        .filter_map(|tag| tag.name.strip_prefix('h')?.parse().ok())
        .collect();
    let is_whole = levels.iter().filter(|level| **level == 1).count() == 1;
    let is_stepwise = levels.windows(2).all(|pair| pair[1] <= pair[0] + 1);
    (!is_whole || !is_stepwise).then(|| format!("headings: {levels:?}"))
}
