//! The price book as one user has it: what the user says of prices, over the snapshot.

use std::{fmt::Write, sync::Arc};

use aipassport_domain::{ids::UserId, price_override::PriceOverride};
use aipassport_providers::prices::PriceBook;
use aipassport_store::StoreError;
use aws_lc_rs::digest::{SHA256, digest};

use crate::app::App;

/// Everybody's book for who says nothing.
pub fn book(prices: &Arc<PriceBook>, said: &[PriceOverride]) -> Arc<PriceBook> {
    if said.is_empty() {
        return Arc::clone(prices);
    }
    Arc::new(prices.overlaid(said, sha256))
}

impl App {
    /// The book of a user whose word on prices is not at hand.
    pub async fn prices_of(&self, user_id: &UserId) -> Result<Arc<PriceBook>, StoreError> {
        let said = self.store.prices_of(&self.tenant_id, user_id).await?;
        Ok(book(&self.prices, &said))
    }
}

fn sha256(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().fold("sha256:".to_owned(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
