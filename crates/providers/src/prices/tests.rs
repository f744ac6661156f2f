use super::*;

#[test]
fn the_embedded_snapshot_can_be_read() {
    let book = PriceBook::embedded().unwrap();

    assert!(book.model(&ProviderId::new("openai"), "gpt-4o-mini").is_some());
}
