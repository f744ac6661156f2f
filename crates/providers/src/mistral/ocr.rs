//! `POST /v1/ocr`, read: priced by the page, which nobody has counted before.

use aipassport_domain::money::CostSum;

use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    prices::Unit,
    request::{ReadError, ReadRequest},
};

/// What Mistral takes at most. The size of a document does not bound it further: pages that are
/// alike take next to no space.
const MOST_PAGES: u64 = 1_000;

pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::Ocr, &mut reader);
    let mut document = MOST_PAGES;
    let mut chosen = MOST_PAGES;
    let mut is_annotated = false;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "document" => {
            document = read_document(reader, &mut draft)?;
            Ok(())
        }
        "pages" => {
            chosen = read_pages(reader)?;
            Ok(())
        }
        "bbox_annotation_format" | "document_annotation_format" => {
            is_annotated |= reader.skip_some()?;
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;

    let unit = if is_annotated {
        draft.operation = Operation::AnnotatedOcr;
        Unit::AnnotatedPage
    } else {
        Unit::Page
    };
    draft.into_reading(request.prices, |model| {
        let mut most = CostSum::default();
        most.add(document.min(chosen), model.unit_price(unit)?);
        Some(most.total())
    })
}

/// The most pages that a document can have: an image is one.
fn read_document(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<u64, ReadError> {
    let mut kind = None;
    let mut names_stored = false;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("document.type")?;
            Ok(())
        }
        "file_id" => {
            names_stored = reader.skip_some()?;
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;
    draft.features.stored_state |= names_stored || kind.as_deref() == Some("file");
    Ok(if kind.as_deref() == Some("image_url") && !names_stored {
        1
    } else {
        MOST_PAGES
    })
}

/// How many pages are chosen: numbers in a list, or numbers and ranges in a text (`0,2-4`).
fn read_pages(reader: &mut Reader<'_>) -> Result<u64, ReadError> {
    match reader.peek() {
        Some(b'[') => {
            let mut count = 0;
            reader.array(|reader| {
                count += 1;
                reader.skip().map(|_| ())
            })?;
            Ok(if count == 0 { MOST_PAGES } else { count })
        }
        _ => match reader.text_or_null("pages")? {
            Some(text) => text
                .split(',')
                .try_fold(0_u64, |sum, part| Some(sum.saturating_add(pages_of(part.trim())?)))
                .ok_or(ReadError::Invalid {
                    member: "pages",
                    problem: "must be numbers and ranges, as 0,2-4",
                }),
            None => Ok(MOST_PAGES),
        },
    }
}

fn pages_of(part: &str) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match part.split_once('-') {
        Some((first, last)) => number(last)?.checked_sub(number(first)?)?.checked_add(1),
        None => number(part).map(|_| 1),
    }
}
