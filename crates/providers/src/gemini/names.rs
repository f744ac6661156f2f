//! How Google reads JSON (the proto3 mapping): each member has two spellings, and a list of one
//! needs no brackets.

use std::borrow::Cow;

use crate::{json::Reader, request::ReadError};

type Read<T> = Result<T, ReadError>;

/// Reads an object. `member` is given each name in small letters without underscores, so that
/// `maxOutputTokens` and `max_output_tokens` are one.
///
/// Security invariant: a member that stands there in both spellings is refused. Else we would check
/// the one and Google obey the other.
pub(super) fn object<'a>(
    reader: &mut Reader<'a>,
    mut member: impl FnMut(&mut Reader<'a>, &str) -> Read<()>,
) -> Read<()> {
    let mut seen: Vec<String> = Vec::new();
    reader.object(|reader, name| {
        let name = folded(name);
        if seen.iter().any(|before| *before == name) {
            return Err(ReadError::NotPlainJson {
                problem: "a name stands twice in one object, in two spellings",
                at: reader.position(),
            });
        }
        member(reader, &name)?;
        seen.push(name.into_owned());
        Ok(())
    })
}

/// Reads each element of a list, the only one where it stands alone, or none for null.
pub(super) fn each<'a>(reader: &mut Reader<'a>, mut element: impl FnMut(&mut Reader<'a>) -> Read<()>) -> Read<()> {
    match reader.peek() {
        Some(b'[') => reader.array(element),
        Some(b'n') => reader.take_null().map(|_| ()),
        _ => element(reader),
    }
}

/// Reads an object, or null.
pub(super) fn object_or_null<'a>(
    reader: &mut Reader<'a>,
    member: impl FnMut(&mut Reader<'a>, &str) -> Read<()>,
) -> Read<()> {
    if reader.take_null()? {
        return Ok(());
    }
    object(reader, member)
}

/// The word of an enumeration, which Google reads in any case; `None` for null.
pub(super) fn word_or_null(reader: &mut Reader<'_>, member: &'static str) -> Read<Option<String>> {
    let word = reader.text_or_null(member)?;
    Ok(word.map(|word| word.to_ascii_lowercase()))
}

fn folded(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Cow::Borrowed(name);
    }
    let letters = name.chars().filter(|character| *character != '_');
    Cow::Owned(letters.map(|character| character.to_ascii_lowercase()).collect())
}
