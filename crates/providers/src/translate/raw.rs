//! JSON as it stands in a request: taken apart as far as a translation needs, and no further, so
//! that schemas and arguments reach the provider with their members in the client's order.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;

use crate::{json::Reader, request::ReadError};

type Read<T> = Result<T, ReadError>;

/// One value, already checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// Reads a whole body, strictly.
    pub(crate) fn read(body: &'a [u8]) -> Read<Self> {
        let mut reader = Reader::strict(body)?;
        let value = Self::next(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    fn next(reader: &mut Reader<'a>) -> Read<Self> {
        let range = reader.skip()?;
        Ok(Self(reader.slice(range)))
    }

    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    pub(crate) fn is_text(self) -> bool {
        self.0.starts_with('"')
    }

    /// Security invariant: no name stands twice, or what is refused here could hide behind what is
    /// carried.
    pub(crate) fn members(self, member: &'static str) -> Read<Members<'a>> {
        if !self.is_object() {
            return Err(invalid(member, "must be an object"));
        }
        let mut members = Vec::new();
        Reader::strict(self.0.as_bytes())?.object(|reader, name| {
            let value = Self::next(reader)?;
            members.push((name.to_owned(), value));
            Ok(())
        })?;
        Ok(Members(members))
    }

    pub(crate) fn items(self, member: &'static str) -> Read<Vec<Self>> {
        if !self.0.starts_with('[') {
            return Err(invalid(member, "must be a list"));
        }
        let mut items = Vec::new();
        Reader::strict(self.0.as_bytes())?.array(|reader| {
            items.push(Self::next(reader)?);
            Ok(())
        })?;
        Ok(items)
    }

    pub(crate) fn text(self, member: &'static str) -> Read<Cow<'a, str>> {
        let text = Reader::strict(self.0.as_bytes())?.text_or_null(member)?;
        text.ok_or(invalid(member, "must be a string"))
    }

    pub(crate) fn boolean(self, member: &'static str) -> Read<bool> {
        match self.0 {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(invalid(member, "must be true or false")),
        }
    }

    pub(crate) fn count(self, member: &'static str) -> Read<u64> {
        let count = Reader::strict(self.0.as_bytes())?.count_or_null(member)?;
        count.ok_or(invalid(member, "must be a whole number, written in plain digits"))
    }

    /// For comparing and scaling only: what is carried is carried as it stands.
    pub(crate) fn number(self, member: &'static str) -> Read<f64> {
        let number = serde_json::from_str::<f64>(self.0).ok();
        number.ok_or(invalid(member, "must be a number"))
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// The members of one object that are still to be looked at, in the client's order.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(Vec<(String, Raw<'a>)>);

impl<'a> Members<'a> {
    /// The member with this name; `None` where it is null, which means the same as none.
    pub(crate) fn take(&mut self, name: &str) -> Option<Raw<'a>> {
        let place = self.0.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.0.remove(place);
        Some(value).filter(|value| !value.is_null())
    }

    pub(crate) fn take_text(&mut self, name: &str, member: &'static str) -> Read<Option<Cow<'a, str>>> {
        self.take(name).map(|value| value.text(member)).transpose()
    }

    pub(crate) fn take_boolean(&mut self, name: &str, member: &'static str) -> Read<Option<bool>> {
        self.take(name).map(|value| value.boolean(member)).transpose()
    }

    pub(crate) fn take_count(&mut self, name: &str, member: &'static str) -> Read<Option<u64>> {
        self.take(name).map(|value| value.count(member)).transpose()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(member, value)| member == name && !value.is_null())
    }

    pub(crate) fn add(&mut self, name: String, value: Raw<'a>) {
        self.0.push((name, value));
    }

    /// What nobody has taken, nulls aside.
    pub(crate) fn rest(self) -> impl Iterator<Item = (String, Raw<'a>)> {
        self.0.into_iter().filter(|(_, value)| !value.is_null())
    }
}

/// A JSON object while it is being written.
#[derive(Default)]
pub(crate) struct Written(String);

impl Written {
    pub(crate) fn add(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(json);
    }

    pub(crate) fn end(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

pub(crate) fn invalid(member: &'static str, problem: &'static str) -> ReadError {
    ReadError::Invalid { member, problem }
}

pub(crate) fn not_carried(member: impl Into<Cow<'static, str>>, reason: &'static str) -> ReadError {
    ReadError::NotCarried {
        member: member.into(),
        reason,
    }
}
