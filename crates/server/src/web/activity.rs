//! Activity.
use super::{consent::Choosable, page::Frame};
use askama::Template;

#[derive(Template)]
#[template(path = "activity.html")]
pub(super) struct ActivityPage {
    pub(super) frame: Frame,
    pub(super) filters: Vec<Choosable>,
    pub(super) events: Vec<EventRow>,
    pub(super) older: Option<String>,
}

pub(super) struct EventRow {
    pub(super) sentence: String,
    pub(super) grant_id: Option<String>,
    pub(super) datetime: String,
    pub(super) when: String,
}
