//! Any form, cut anywhere: it reads the same, and whatever is let through means the same to a reader who
//! is as lenient about line ends as some are.
#![no_main]

mod reached;
mod routes;

use aipassport_providers::{
    adapter::Unread,
    multipart::{Form, FormError, FormReader, FormRules},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 3] = [
    "/openai/v1/images/edits",
    "/openai/v1/audio/transcriptions",
    "/openai/v1/audio/translations",
];

fuzz_target!(|input: &[u8]| {
    let [path, cut, rest @ ..] = input else { return };
    let (content_type, form) = routes::halves(rest);
    let picked = routes::at(PATHS[usize::from(*path) % PATHS.len()], None).expect("there");
    let rules = picked.adapter.form_rules(&picked.route).expect("a form");
    let Ok(content_type) = HeaderValue::from_maybe_shared(content_type) else {
        return reached::count(&[]);
    };
    if FormReader::new(&content_type, rules).is_err() {
        return reached::count(&[]);
    }

    // Which of two faults is named may depend on where it is cut.
    let whole = read(&content_type, rules, [form].into_iter()).ok();
    let step = usize::from(*cut).max(1);
    let cut = read(&content_type, rules, form.chunks(step)).ok();
    assert_eq!(whole, cut, "cut after every {step} bytes");
    let Some(read) = whole else {
        return reached::count(&["refused"]);
    };

    let others = read_leniently(&content_type, form);
    for &name in rules.deciding {
        let mut values = others
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| *value);
        assert_eq!(values.next(), read.value(name).map(str::as_bytes), "{name}");
        assert_eq!(values.next(), None, "{name} stands once");
    }
    let base = |name: &str| name.split('[').next().unwrap_or_default().to_ascii_lowercase();
    let files = others
        .iter()
        .filter(|(name, _)| rules.files.contains(&base(name).as_str()))
        .count();
    assert_eq!(files as u64, read.files);
    let unread = Unread {
        provider: &picked.provider,
        route: &picked.route,
        headers: &HeaderMap::new(),
        body: Bytes::new(),
        prices: picked.prices(),
    };
    let call = picked.adapter.read_form(&unread, &read, form.len() as u64);
    reached::count(&["read", if call.is_ok() { "a call" } else { "no call" }]);
});

fn read<'a>(
    content_type: &HeaderValue,
    rules: &'static FormRules,
    mut chunks: impl Iterator<Item = &'a [u8]>,
) -> Result<Form, FormError> {
    let mut reader = FormReader::new(content_type, rules)?;
    chunks.try_for_each(|chunk| reader.feed(chunk))?;
    reader.end()?;
    Ok(reader.form().clone())
}

/// Names and contents of the parts, for somebody to whom any line end is one.
fn read_leniently<'a>(content_type: &HeaderValue, form: &'a [u8]) -> Vec<(String, &'a [u8])> {
    let (_, boundary) = content_type
        .to_str()
        .expect("text")
        .split_once('=')
        .expect("a parameter");
    let dashed = format!("--{}", boundary.trim().trim_matches('"'));
    let mut parts = Vec::new();
    let (mut at, mut begun) = (0, None);
    while let Some(start) = find(&form[at..], dashed.as_bytes()).map(|length| at + length) {
        at = start + dashed.len();
        let is_at_line = start == 0 || b"\r\n".contains(&form[start - 1]);
        let is_last = form[at..].starts_with(b"--");
        let line_end = line_end(&form[at..]);
        if !is_at_line || (line_end.is_none() && !is_last) {
            continue;
        }
        if let Some(begun) = begun {
            parts.extend(part(without_line_end(&form[begun..start])));
        }
        if is_last {
            break;
        }
        begun = line_end.map(|length| at + length);
    }
    parts
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|here| here == what)
}

/// The length of white space that ends with a line.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let blank = bytes.iter().position(|byte| !b" \t".contains(byte))?;
    match &bytes[blank..] {
        [b'\r', b'\n', ..] => Some(blank + 2),
        [b'\r' | b'\n', ..] => Some(blank + 1),
        _ => None,
    }
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let without = part.strip_suffix(b"\n").unwrap_or(part);
    without.strip_suffix(b"\r").unwrap_or(without)
}

fn part(bytes: &[u8]) -> Option<(String, &[u8])> {
    let ends: [&[u8]; 3] = [b"\r\n\r\n", b"\n\n", b"\r\r"];
    let place = |end: &&[u8]| find(bytes, end).map(|at| (at, at + end.len()));
    let (head, content) = ends.iter().filter_map(place).min()?;
    Some((name(&String::from_utf8_lossy(&bytes[..head]))?, &bytes[content..]))
}

fn name(head: &str) -> Option<String> {
    let line = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let mut is_quoted = false;
    let parameters = line.split(|letter| {
        is_quoted ^= letter == '"';
        letter == ';' && !is_quoted
    });
    let named = parameters.filter_map(|parameter| parameter.trim().split_once('='));
    let mut names = named.filter(|(parameter, _)| parameter.trim().eq_ignore_ascii_case("name"));
    Some(names.next()?.1.trim().trim_matches('"').to_owned())
}
