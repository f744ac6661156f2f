//! Activity: one human sentence for each thing that happened, and all of it as JSON Lines.

use std::collections::HashMap;

use aipassport_domain::ids::{ClientId, GrantId};
use aipassport_store::{AuditRecord, Page, StoreError};
use askama::Template;
use axum::{
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http::{StatusCode, header};
use serde_json::json;

use super::{
    app_words,
    consent::Choosable,
    error::PageError,
    form::{Fields, Visitor},
    page::{Frame, Section, page},
    sentences::{self, About, Names},
    words::WallClock,
};
use crate::{app::App, browser_session::SignedIn};

const ROWS: usize = 50;
const BATCH: u32 = 200;
/// A filter that matches little looks at most so far back for one page.
const MOST_BATCHES: usize = 10;

#[derive(Template)]
#[template(path = "activity.html")]
pub(super) struct ActivityPage {
    pub(super) frame: Frame,
    pub(super) filters: Vec<Choosable>,
    pub(super) events: Vec<EventRow>,
    /// The address of the next page.
    pub(super) older: Option<String>,
}

pub(super) struct EventRow {
    pub(super) sentence: String,
    pub(super) grant_id: Option<String>,
    pub(super) datetime: String,
    pub(super) when: String,
}

pub(super) async fn show(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let about = About::parse(query.text("show"));
    let before = query.text("before").parse().ok();
    let names = names(&app, &signed_in).await?;
    let (records, older) = matching(&app, &signed_in, about, before).await?;

    let clock = WallClock::new(app.clock.now(), &signed_in.user.time_zone);
    let row = |record: &AuditRecord| EventRow {
        sentence: sentences::of(&record.event, &names, &clock),
        grant_id: record
            .event
            .grant_id
            .as_ref()
            .filter(|id| names.has_grant(id))
            .map(ToString::to_string),
        datetime: record.event.at.to_string(),
        when: clock.ago(record.event.at),
    };
    let activity = ActivityPage {
        frame: Frame::inside(&app, &signed_in, Section::Activity),
        filters: filters(about),
        events: records.iter().map(row).collect(),
        older: older.map(|before| {
            let show = about.map(About::as_str).unwrap_or_default();
            format!("/activity?show={show}&before={before}")
        }),
    };
    page(StatusCode::OK, &activity.frame, &activity)
}

/// A page of the user's own events, newest first, and where the next one begins.
async fn matching(
    app: &App,
    signed_in: &SignedIn,
    about: Option<About>,
    mut before: Option<i64>,
) -> Result<(Vec<AuditRecord>, Option<i64>), StoreError> {
    let mut found = Vec::new();
    for _ in 0..MOST_BATCHES {
        let batch = Page { before, limit: BATCH };
        let records = app.store.events_of(&app.tenant_id, &signed_in.user.id, batch).await?;
        let is_last = records.len() < usize::try_from(BATCH).unwrap_or(usize::MAX);
        for record in records {
            before = Some(record.sequence);
            if about.is_none_or(|about| about == About::of(&record.event.what)) {
                found.push(record);
            }
            if found.len() == ROWS {
                return Ok((found, before));
            }
        }
        if is_last {
            return Ok((found, None));
        }
    }
    Ok((found, before))
}

/// What grants and clients of the events are called.
pub(super) async fn names(app: &App, signed_in: &SignedIn) -> Result<Names, StoreError> {
    let clients = app.store.clients(&app.tenant_id).await?;
    let grants = app.store.grants_of(&app.tenant_id, &signed_in.user.id).await?;
    Ok(Names {
        clients: clients
            .into_iter()
            .map(|client| (client.id, app_words::name(&client.name)))
            .collect::<HashMap<ClientId, String>>(),
        grants: grants
            .into_iter()
            .map(|grant| (grant.id, app_words::name(&grant.client_name)))
            .collect::<HashMap<GrantId, String>>(),
    })
}

fn filters(about: Option<About>) -> Vec<Choosable> {
    let all = Choosable {
        value: String::new(),
        words: "Everything".to_owned(),
        is_selected: about.is_none(),
    };
    let of = |one: About| Choosable {
        value: one.as_str().to_owned(),
        words: one.words().to_owned(),
        is_selected: about == Some(one),
    };
    std::iter::once(all).chain(About::ALL.map(of)).collect()
}

/// All of the user's events, newest first, one JSON object in a line.
pub(super) async fn export(State(app): State<App>, Visitor(signed_in): Visitor) -> Result<Response, PageError> {
    let lines = stream::try_unfold(Some(None), move |position: Option<Option<i64>>| {
        let (app, user_id) = (app.clone(), signed_in.user.id.clone());
        async move {
            let Some(before) = position else {
                return Ok::<_, StoreError>(None);
            };
            let batch = Page { before, limit: BATCH };
            let records = app.store.events_of(&app.tenant_id, &user_id, batch).await?;
            let next = records.last().map(|last| Some(last.sequence));
            let lines: String = records.iter().map(line).collect();
            Ok(Some((lines, next)))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"aipassport-activity.jsonl\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// JSON escapes line breaks and other controls, so that one event is one line (`security.md` 174).
fn line(record: &AuditRecord) -> String {
    let event = &record.event;
    let line = json!({
        "sequence": record.sequence,
        "at": event.at,
        "actor": event.actor.to_text(),
        "grant_id": event.grant_id,
        "event": event.what,
    });
    format!("{line}\n")
}
