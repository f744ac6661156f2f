//! What answers say of their usage that are no conversation: embeddings, images, sound.

use aipassport_domain::usage::Usage;
use serde::Deserialize;

use crate::{
    json::Reader,
    meter::{AnswerFormat, Metered, UsageMember},
    request::ReadError,
};

pub(crate) struct Embeddings;

impl AnswerFormat for Embeddings {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        #[derive(Deserialize)]
        struct Reported {
            prompt_tokens: u64,
        }

        see_usage(body, seen, |reported: Reported| Usage {
            input_tokens: reported.prompt_tokens,
            ..Usage::default()
        });
    }

    fn see_event(&self, _data: &[u8], _seen: &mut Metered) -> Option<UsageMember> {
        None
    }
}

/// Looks for the `usage` of a whole document, which is final.
fn see_usage<'a, Reported: Deserialize<'a>>(
    document: &'a [u8],
    seen: &mut Metered,
    counted: impl Fn(Reported) -> Usage,
) {
    let mut read = || -> Result<(), ReadError> {
        let mut reader = Reader::lenient(document)?;
        reader.object(|reader, name| {
            match name {
                "usage" => {
                    let value = reader.skip()?;
                    if let Ok(reported) = serde_json::from_str(reader.slice(value)) {
                        seen.report(counted(reported));
                        seen.is_usage_final = true;
                    }
                }
                "error" => seen.has_failed |= reader.skip_some()?,
                _ => {
                    reader.skip()?;
                }
            }
            Ok(())
        })
    };
    seen.is_complete = read().is_ok();
}
