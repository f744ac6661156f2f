//! What these servers take beside OpenAI's own members. A name in another case is refused: a server
//! written in Go would read `Model` as the model, whatever stands in `model`.
//!
//! Sampling, guided decoding and log probabilities pass unread: they decide what is written, and
//! neither how much of it nor by whom. What is read here could make the prompt longer than its bytes,
//! hide what is written, or have the call done elsewhere.

use crate::{draft::Draft, json::Reader, request::ReadError};

type Read<T> = Result<T, ReadError>;

/// Why a member that chooses who does the call is not forwarded.
const STEERS: &str = "it would have the call done by another server than the one that was allowed";
const OTHER_MODEL: &str = "it would have the call done by another model than the one that was checked";

/// The members of vLLM.
pub(super) fn read(name: &str, reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    reader.check_case(name)?;
    match name {
        // The host and port from which the server is to fetch what it has read before.
        "kv_transfer_params" => reader.only_null("kv_transfer_params", STEERS),
        "ec_transfer_params" => reader.only_null("ec_transfer_params", STEERS),
        // A template can repeat what it is given as often as it likes, and a larger image is more tokens.
        "chat_template" | "chat_template_kwargs" | "mm_processor_kwargs" | "media_io_kwargs" => {
            draft.input.has_unsized |= reader.skip_some()?;
            Ok(())
        }
        "include_reasoning" => {
            draft.holds_output_back = reader.boolean_or_null("include_reasoning")? == Some(false);
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    }
}

/// The members of a server that is not known: those of vLLM, and those by which brokers of several
/// providers are told to call another one, or to do more than was asked.
pub(super) fn read_foreign(name: &str, reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    match name {
        "models" => reader.only_null("models", OTHER_MODEL),
        "fallbacks" => reader.only_null("fallbacks", OTHER_MODEL),
        "model_list" => reader.only_null("model_list", OTHER_MODEL),
        "base_url" => reader.only_null("base_url", STEERS),
        "api_base" => reader.only_null("api_base", STEERS),
        "api_key" => reader.only_null("api_key", STEERS),
        "api_version" => reader.only_null("api_version", STEERS),
        "custom_llm_provider" => reader.only_null("custom_llm_provider", STEERS),
        "extra_headers" => reader.only_null("extra_headers", STEERS),
        "extra_body" => reader.only_null("extra_body", STEERS),
        "service_tier" => read_tier(reader),
        "plugins" | "search_parameters" => {
            if reader.skip_some()? {
                draft.features.web_search = true;
                draft.nothing_bounds_it("what the provider's own tools cost is not known");
            }
            Ok(())
        }
        _ => read(name, reader, draft),
    }
}

/// A user's own price is that of the usual service.
fn read_tier(reader: &mut Reader<'_>) -> Read<()> {
    match reader.text_or_null("service_tier")?.as_deref() {
        None | Some("auto" | "default") => Ok(()),
        Some(_) => Err(ReadError::NotSupported {
            member: "service_tier",
            reason: "the price of this tier is not known",
        }),
    }
}
