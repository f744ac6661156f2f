//! `POST /v2/rerank` and `POST /v1/rerank`, read: priced by searches, or by tokens.
//!
//! A search is one query with up to a hundred documents. A document that is longer than 500 tokens,
//! the query among them, counts as several.

use aipassport_domain::money::{CostSum, Money};

use super::HIDDEN_TOKENS;
use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    prices::{MostInput, Outputs, PricedModel, Unit},
    request::{ReadError, ReadRequest},
};

const DOCUMENTS_PER_SEARCH: u64 = 100;
const TOKENS_PER_PART: u64 = 500;
/// Tokens that part the query from what is ranked.
const TOKENS_BETWEEN: u64 = 4;

/// How long the query and the documents can be, in tokens: in bytes, of which a token has one.
#[derive(Default)]
struct Ranked {
    query: u64,
    documents: Vec<u64>,
}

pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::Rerank, &mut reader);
    let mut ranked = Ranked::default();
    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "query" => {
            ranked.query = reader.skip()?.len() as u64;
            Ok(())
        }
        "documents" => reader.array(|reader| {
            ranked.documents.push(reader.skip()?.len() as u64);
            Ok(())
        }),
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;
    draft.into_reading(request.prices, |model| ranked.most(model))
}

impl Ranked {
    fn most(&self, model: &PricedModel) -> Option<Money> {
        let Some(each) = model.unit_price(Unit::Search) else {
            let (most, _) = model.ceiling(MostInput::text(self.tokens()), Outputs::NONE)?;
            return Some(most);
        };
        let mut most = CostSum::default();
        most.add(self.parts().div_ceil(DOCUMENTS_PER_SEARCH).max(1), each);
        Some(most.total())
    }

    /// As many as there are documents, once each is cut to what fits beside the query.
    fn parts(&self) -> u64 {
        let room = TOKENS_PER_PART.saturating_sub(self.query + TOKENS_BETWEEN).max(1);
        let parts = self.documents.iter().map(|document| document.div_ceil(room).max(1));
        parts.fold(0, u64::saturating_add)
    }

    /// The query is read again with each part.
    fn tokens(&self) -> u64 {
        let queries = self.parts().saturating_mul(self.query + TOKENS_BETWEEN);
        let documents = self.documents.iter().copied().fold(0, u64::saturating_add);
        documents.saturating_add(queries).saturating_add(HIDDEN_TOKENS)
    }
}
