//! What an answer says of its usage, in the format that is Mistral's own. Completions and
//! embeddings are reported as [`crate::openai`] reads them.

use aipassport_domain::usage::Usage;
use serde::Deserialize;

use crate::meter::{AnswerFormat, Metered, UsageMember};

/// `POST /v1/ocr`.
pub(crate) struct Ocr {
    /// Whether the client asked for annotations, which have another price.
    pub(crate) is_annotated: bool,
}

#[derive(Deserialize)]
struct Recognised {
    usage_info: Option<PagesRead>,
}

#[derive(Deserialize)]
struct PagesRead {
    pages_processed: Option<u64>,
}

impl AnswerFormat for Ocr {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        let Ok(answer) = serde_json::from_slice::<Recognised>(body) else {
            return;
        };
        seen.is_complete = true;
        let pages = answer.usage_info.and_then(|usage| usage.pages_processed);
        if let Some(pages) = pages {
            seen.report_all(if self.is_annotated {
                Usage {
                    annotated_pages: pages,
                    ..Usage::default()
                }
            } else {
                Usage {
                    pages,
                    ..Usage::default()
                }
            });
        }
    }

    fn see_event(&self, _data: &[u8], _seen: &mut Metered) -> Option<UsageMember> {
        None
    }
}
