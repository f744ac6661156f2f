use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn read(body: &[u8]) -> Result<(), ReadError> {
    let mut reader = Reader::strict(body)?;
    reader.object(|reader, _| reader.skip().map(|_| ()))?;
    reader.end()
}

fn problem(body: impl AsRef<[u8]>) -> &'static str {
    match read(body.as_ref()) {
        Err(ReadError::NotPlainJson { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn threat_109_a_name_that_stands_twice_is_refused_however_it_is_written() {
    for body in [
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","mod\u0065l":"b"}"#,
        r#"{"\u006dodel":"a","x":1,"model":"b"}"#,
        r#"{"a\/b":1,"a/b":2}"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
    ] {
        assert_eq!(problem(body), "a name stands twice in one object", "{body}");
    }
    for body in [
        r#"{"model":"a","Model":"b"}"#,
        r#"{"model":{"model":"a"},"x":[{"model":"b"}]}"#,
    ] {
        assert_eq!(read(body.as_bytes()), Ok(()), "{body}");
    }
}

#[test]
fn threat_110_what_only_some_parsers_accept_is_refused() {
    for body in [
        r#"{"a":NaN}"#,
        r#"{"a":Infinity}"#,
        r#"{"a":-Infinity}"#,
        r#"{"a":1e400}"#,
        r#"{"a":[{"b":-1e400}]}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":.5}"#,
        r#"{"a":1.}"#,
        r#"{"a":0x10}"#,
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{,"a":1}"#,
        r#"{"a":1 "b":2}"#,
        "{a:1}",
        "{'a':1}",
        r#"{"a":1}//"#,
        r#"{"a":/* b */1}"#,
        r#"{"a":1}{"a":2}"#,
        r#"{"a":1}x"#,
        "{\"a\":1}\0",
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\ud800x"}"#,
        r#"{"a":"\ud800\u0041"}"#,
        r#"{"a":"\udc00"}"#,
        r#"{"a":["\udc00\ud800"]}"#,
        r#"{"\ud800":1}"#,
        r#"{"a":"\x41"}"#,
        r#"{"a":"\u00g0"}"#,
        r#"{"a":"\u+041"}"#,
        r#"{"a":"\u00"#,
        "{\"a\":\"\n\"}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\u{a0}1}",
        "\u{feff}{\"a\":1}",
        r#"{"a":tru}"#,
        r#"{"a":True}"#,
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":"#,
        "{",
        "",
        "[]",
        "null",
        "\"a\"",
        "1",
    ] {
        problem(body);
    }
    let utf16: Vec<u8> = r#"{"a":1}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    problem(utf16);
    problem(b"{\"a\":\"\xff\"}");
    problem(b"{\"a\":\"\xed\xa0\x80\"}");
}

#[test]
fn threat_122_deep_nesting_and_endless_members_are_refused() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|index| format!("\"{index}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };

    assert_eq!(read(nested(DEEPEST - 1).as_bytes()), Ok(()));
    assert_eq!(problem(nested(DEEPEST)), "it is nested too deeply");
    assert_eq!(problem(nested(1_000_000)), "it is nested too deeply");
    assert_eq!(read(members(MOST_MEMBERS).as_bytes()), Ok(()));
    assert_eq!(problem(members(MOST_MEMBERS + 1)), "an object has too many members");
    // What is not looked into may have as many members as it likes.
    let schema = format!("{{\"schema\":{}}}", members(10_000));
    assert_eq!(read(schema.as_bytes()), Ok(()));
}

#[test]
fn an_answer_may_hold_what_a_request_may_not() {
    let body = br#"{"a":"\ud800","a":"\udc00 \ud83d\ude00"}"#;
    let mut texts = Vec::new();

    let mut reader = Reader::lenient(body).unwrap();
    reader
        .object(|reader, _| {
            texts.push(reader.text()?.decode().into_owned());
            Ok(())
        })
        .unwrap();

    assert_eq!(texts, ["\u{fffd}", "\u{fffd} 😀"]);
}

#[test]
fn a_count_is_a_whole_number_in_plain_digits() {
    let count = |body: &str| Reader::strict(body.as_bytes()).unwrap().count_or_null("n");

    assert_eq!(count("16"), Ok(Some(16)));
    assert_eq!(count("null"), Ok(None));
    for body in ["-1", "1.0", "1e3", "\"16\"", "true", "[1]", "18446744073709551616"] {
        assert!(count(body).is_err(), "{body}");
    }
}

fn json(leaf_text: &'static str) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        leaf_text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(leaf_text, inner, 0..8).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Reads everything with the functions that the adapters use, into what serde reads.
fn rebuild(reader: &mut Reader<'_>) -> Result<Value, ReadError> {
    match reader.peek() {
        Some(b'{') => {
            let mut members = serde_json::Map::new();
            reader.object(|reader, name| {
                members.insert(name.to_owned(), rebuild(reader)?);
                Ok(())
            })?;
            Ok(members.into())
        }
        Some(b'[') => {
            let mut elements = Vec::new();
            reader.array(|reader| {
                elements.push(rebuild(reader)?);
                Ok(())
            })?;
            Ok(elements.into())
        }
        Some(b'"') => Ok(reader.text()?.decode().into_owned().into()),
        _ => {
            let range = reader.skip()?;
            Ok(serde_json::from_str(reader.slice(range)).unwrap())
        }
    }
}

proptest! {
    #[test]
    fn whatever_serde_writes_is_read_as_it_was(value in json(".{0,12}"), is_pretty: bool) {
        let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();

        let mut reader = Reader::strict(text.as_bytes()).unwrap();
        let rebuilt = rebuild(&mut reader).unwrap();

        prop_assert_eq!(reader.end(), Ok(()));
        prop_assert_eq!(rebuilt, serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn whatever_is_accepted_serde_accepts_and_reads_the_same(
        value in json(r#"[a"\\ud800\u{e9}]{0,6}"#),
        at: prop::sample::Index,
        replacement in prop::sample::select(&b"\"\\{}[],:0123456789eE+-.untrfals \n\x01\xff"[..]),
        removed in 0..3_usize,
    ) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        text.splice(at..(at + removed).min(text.len()), [replacement]);

        let accepted = Reader::strict(&text).and_then(|mut reader| {
            let rebuilt = rebuild(&mut reader)?;
            reader.end().map(|()| rebuilt)
        });
        let skipped = Reader::strict(&text).and_then(|mut reader| {
            reader.skip()?;
            reader.end()
        });

        if let Ok(rebuilt) = accepted {
            prop_assert_eq!(rebuilt, serde_json::from_slice::<Value>(&text).unwrap());
        }
        if skipped.is_ok() {
            prop_assert!(serde_json::from_slice::<Value>(&text).is_ok());
        } else {
            // Nothing is refused that every parser reads the same.
            prop_assert!(serde_json::from_slice::<Value>(&text).is_err());
        }
    }

    #[test]
    fn no_bytes_make_the_reader_fail_otherwise_than_by_refusing(body: Vec<u8>) {
        let _ = read(&body);
        let _ = Reader::lenient(&body).and_then(|mut reader| rebuild(&mut reader));
    }
}
