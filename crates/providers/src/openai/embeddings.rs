//! `POST /v1/embeddings`, read.

use aipassport_domain::authorization_details::Features;

use crate::{
    adapter::{Operation, Unread},
    flat::{FlatCall, Most},
    json::Reader,
    request::{ReadError, ReadRequest, UpstreamBody},
};

/// A token is at least one byte of the text it stands for; where the client has made tokens of it
/// already, each is a number, with a comma or a bracket behind it.
pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut model = None;
    let mut input_bytes = 0;
    reader.object(|reader, name| {
        match name {
            "model" => model = reader.text_or_null("model")?.map(std::borrow::Cow::into_owned),
            "input" => input_bytes = reader.skip()?.len() as u64,
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;

    let call = FlatCall {
        operation: Operation::Embeddings,
        model,
        features: Features::NONE,
        is_stream: false,
        body: UpstreamBody::new(request.body.clone()),
    };
    call.into_request(request, |_| Most::text(input_bytes), |_| None)
}
