//! Reading a JSON body member by member, and saying of each what is wrong with it.

use axum::body::Body;
use http::{Request, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Details, Error};
use crate::{app::App, small_body, unique_json};

const LARGEST: usize = 256 * 1024;
const DEEPEST: u8 = 16;

/// The members that have not been taken yet, and what was wrong with those that were.
pub(super) struct Members {
    members: Map<String, Value>,
    wrong: Details,
}

impl Members {
    /// Reads one JSON object; an empty body is an empty object.
    ///
    /// Security invariant: nothing but `application/json` is read, because a page of any origin can
    /// make a browser send the other types (`security.md` 64).
    pub(super) async fn of(app: &App, request: Request<Body>) -> Result<Self, Error> {
        let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(|content_type| {
            let media_type = content_type.to_str().unwrap_or_default().split(';').next();
            media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
        });
        let body = small_body::read(app, request.into_body(), LARGEST)
            .await
            .map_err(|_| Error::NotJson)?;
        let members = match unique_json::read(&body, DEEPEST) {
            _ if body.is_empty() => Map::new(),
            _ if !is_json => return Err(Error::NotJsonType),
            Ok(Value::Object(members)) => members,
            _ => return Err(Error::NotJson),
        };
        Ok(Self {
            members,
            wrong: Details::default(),
        })
    }

    /// A member that may be missing.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, &error.to_string());
                None
            }
        }
    }

    pub(super) fn take_required<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        let is_there = self.members.get(name).is_some_and(|value| !value.is_null());
        let value = self.take(name);
        if !is_there {
            self.refuse(name, "Required");
        }
        value
    }

    /// Plain text of 1 to `longest` characters.
    pub(super) fn take_text(&mut self, name: &'static str, longest: usize) -> Option<String> {
        let text: String = self.take_required(name)?;
        let is_plain = !text.trim().is_empty() && !text.chars().any(char::is_control);
        if is_plain && text.chars().count() <= longest {
            return Some(text);
        }
        self.refuse(name, &format!("1 to {longest} characters of plain text"));
        None
    }

    pub(super) fn refuse(&mut self, name: &'static str, text: &str) {
        self.wrong.field_errors.entry(name).or_default().push(text.to_owned());
    }

    /// Fails if anything was wrong, or is left over: a member that we do not know would otherwise
    /// look as if it were in force.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let unknown = self.members.keys().map(|name| format!("Unrecognized key: {name}"));
        self.wrong.form_errors.extend(unknown);
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.wrong))
        }
    }
}
