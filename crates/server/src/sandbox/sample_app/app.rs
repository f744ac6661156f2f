//! What answers where.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Form, Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CALLBACK_PATH, SampleAppError, SampleAppOptions,
    account::Accounts,
    ai::{AnswerStream, Pace},
    connect::{self, Callback},
    pages::{self, Found, SAFETY_HEADERS},
    random::NoRandomness,
    refusal::Refusal,
    visitors::{SharedVisitor, Visitors},
};

const BODY_LIMIT: usize = 64 * 1024;
const LONGEST_NOTE: usize = 8000;

#[derive(Clone)]
struct App {
    accounts: Arc<Accounts>,
    visitors: Arc<Visitors>,
}

pub(super) fn routes(options: SampleAppOptions) -> Result<Router, SampleAppError> {
    let app = App {
        accounts: Arc::new(Accounts::new(options)?),
        visitors: Arc::default(),
    };
    Ok(Router::new()
        .route("/", get(show))
        .route("/connect", get(begin_connecting))
        .route(CALLBACK_PATH, get(finish_connecting))
        .route("/summarise", post(summarise))
        .route("/disconnect", post(disconnect))
        .route("/left", get(left))
        .route("/jotter.css", get(pages::css))
        .route("/jotter.js", get(pages::javascript))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app))
}

/// Answers only at the app's own address and to its own forms, and adds the safety headers.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let own = &app.accounts.options.public_url;
    let headers = request.headers();
    let is_at_home = text(headers, &header::HOST).is_some_and(|host| own.strip_prefix("http://") == Some(host));
    let is_own_form = text(headers, &header::ORIGIN).is_none_or(|origin| origin == own);

    let mut response = if !is_at_home && request.method() == Method::GET {
        // Cookies belong to a host: somebody who came by another name for it would not be recognised
        // when the broker sends them back.
        Redirect::temporary(&format!("{own}/")).into_response()
    } else if is_at_home && is_own_form {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    };
    response.headers_mut().extend(SAFETY_HEADERS);
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    let (visitor, cookie) = app.visitors.of(&headers)?;
    let mut found = Found::default();
    match app.accounts.what_is_left(&visitor).await {
        Ok(left) => found.left = left,
        Err(refusal) => found.refusal = Some(refusal),
    }
    Ok(with_cookie(app.page(&visitor, found).await, cookie))
}

async fn begin_connecting(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    let (visitor, cookie) = app.visitors.of(&headers)?;
    let mut visitor = visitor.lock().await;
    let response = match connect::authorization_url(&app.accounts, &mut visitor).await {
        Ok(url) => Redirect::to(&url),
        Err(error) => {
            visitor.notice = Some(error.to_string());
            Redirect::to("/")
        }
    };
    Ok(with_cookie(response.into_response(), cookie))
}

async fn finish_connecting(
    State(app): State<App>,
    Query(callback): Query<Callback>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let (visitor, cookie) = app.visitors.of(&headers)?;
    let mut visitor = visitor.lock().await;
    visitor.notice = Some(match connect::finish(&app.accounts, &mut visitor, callback).await {
        Ok(()) => format!("Your {} account is connected.", app.accounts.options.provider.name()),
        Err(error) => error.to_string(),
    });
    Ok(with_cookie(Redirect::to("/").into_response(), cookie))
}

async fn disconnect(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    let (visitor, cookie) = app.visitors.of(&headers)?;
    let mut visitor = visitor.lock().await;
    visitor.ended = None;
    if let Some(passport) = visitor.passport.take() {
        visitor.notice = Some(match app.accounts.broker.revoke(&passport).await {
            Ok(()) => "Disconnected. Jotter has given its access back.".to_owned(),
            Err(error) => format!("Disconnected here; AIPassport was not told ({error}). You can stop Jotter there."),
        });
    }
    Ok(with_cookie(Redirect::to("/").into_response(), cookie))
}

/// What is left, for the page to show while an answer streams.
async fn left(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    let (visitor, _) = app.visitors.of(&headers)?;
    let left = match app.accounts.what_is_left(&visitor).await {
        Ok(left) => json!({"left": left}),
        Err(refusal) => shown(&refusal),
    };
    Ok(Json(left).into_response())
}

#[derive(Deserialize)]
struct SummariseForm {
    note: String,
    #[serde(default)]
    pace: String,
}

/// Streams the answer to a page that reads it with its script, and writes a whole page for one
/// without.
async fn summarise(
    State(app): State<App>,
    headers: HeaderMap,
    Form(form): Form<SummariseForm>,
) -> Result<Response, AppError> {
    let (visitor, cookie) = app.visitors.of(&headers)?;
    let note: String = form.note.chars().take(LONGEST_NOTE).collect();
    visitor.lock().await.note.clone_from(&note);
    let pace = if form.pace == "slow" { Pace::Slow } else { Pace::Usual };
    let wants_stream = text(&headers, &header::ACCEPT).is_some_and(|accept| accept.starts_with("text/event-stream"));

    let answer = app.accounts.ask(&visitor, &note, pace).await;
    let response = if wants_stream {
        app.stream_answer(visitor, answer)
    } else {
        let found = app.collect_answer(&visitor, answer).await;
        app.page(&visitor, found).await
    };
    Ok(with_cookie(response, cookie))
}

impl App {
    async fn page(&self, visitor: &SharedVisitor, found: Found) -> Response {
        pages::page(&self.accounts.options, &mut *visitor.lock().await, found)
    }

    /// Server-sent events of JSON: `{"text"}` as it comes, then `{"done"}` or `{"refused"}`.
    fn stream_answer(self, visitor: SharedVisitor, answer: Result<AnswerStream, Refusal>) -> Response {
        let accounts = self.accounts;
        let events = stream::unfold(Some(answer), move |answer| {
            let (accounts, visitor) = (accounts.clone(), visitor.clone());
            async move {
                let (event, rest) = match answer? {
                    Ok(mut answer) => match accounts.next_words(&visitor, &mut answer).await {
                        Ok(Some(text)) => (json!({"text": text}), Some(Ok(answer))),
                        Ok(None) => (json!({"done": true}), None),
                        Err(refusal) => (shown(&refusal), None),
                    },
                    Err(refusal) => (shown(&refusal), None),
                };
                Some((Ok::<_, Infallible>(Bytes::from(format!("data: {event}\n\n"))), rest))
            }
        });
        let content_type = [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")];
        (content_type, Body::from_stream(events)).into_response()
    }

    async fn collect_answer(&self, visitor: &SharedVisitor, answer: Result<AnswerStream, Refusal>) -> Found {
        let mut found = Found::default();
        let mut text = String::new();
        found.refusal = match answer {
            Ok(mut answer) => loop {
                match self.accounts.next_words(visitor, &mut answer).await {
                    Ok(Some(words)) => text.push_str(&words),
                    Ok(None) => break None,
                    Err(refusal) => break Some(refusal),
                }
            },
            Err(refusal) => Some(refusal),
        };
        found.answer = Some(text).filter(|text| !text.is_empty());
        found.left = self.accounts.what_is_left(visitor).await.unwrap_or_default();
        found
    }
}

fn shown(refusal: &Refusal) -> Value {
    json!({"refused": refusal.text, "raise_url": refusal.raise_url, "disconnected": refusal.is_disconnected})
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The one failure that leaves no page to show.
struct AppError;

impl From<NoRandomness> for AppError {
    fn from(_: NoRandomness) -> Self {
        Self
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
