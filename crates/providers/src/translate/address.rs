//! To which model a request on `/v1` is addressed, and the same request with another name there.

use std::ops::Range;

use bytes::Bytes;

use super::raw::invalid;
use crate::{json::Reader, request::ReadError};

/// The model of a request, and where its name stands.
#[derive(Debug)]
pub struct Address {
    pub model: String,
    range: Range<usize>,
}

impl Address {
    /// Reads the one `model` of a JSON body, strictly.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::strict(body)?;
        let mut address = None;
        reader.object(|reader, name| {
            if name != "model" {
                return reader.skip().map(|_| ());
            }
            reader.peek();
            let start = reader.position();
            if let Some(model) = reader.text_or_null("model")? {
                address = Some(Self {
                    model: model.into_owned(),
                    range: start..reader.position(),
                });
            }
            Ok(())
        })?;
        reader.end()?;
        address
            .filter(|address| !address.model.is_empty())
            .ok_or(invalid("model", "must name a model"))
    }

    /// `body` with `model` where the name stands. Nothing else changes.
    pub fn rewrite(&self, body: Bytes, model: &str) -> Bytes {
        if self.model == model {
            return body;
        }
        let name = serde_json::Value::from(model).to_string();
        let (start, end) = (self.range.start, self.range.end);
        let parts = [body.get(..start), Some(name.as_bytes()), body.get(end..)];
        parts.map(Option::unwrap_or_default).concat().into()
    }
}
