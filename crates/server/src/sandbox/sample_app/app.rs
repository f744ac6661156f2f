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
    ai::{self, AnswerStream, Asked, Pace, Piece},
    broker::{Broker, BrokerError, Call},
    connect::{self, Callback},
    left as left_of_grant,
    pages::{self, Found, SAFETY_HEADERS},
    random::NoRandomness,
    refusal::Refusal,
    visitors::{Passport, SharedVisitor, Visitor, Visitors},
};

const BODY_LIMIT: usize = 64 * 1024;
const LONGEST_NOTE: usize = 8000;

#[derive(Clone)]
struct App(Arc<Parts>);

struct Parts {
    options: SampleAppOptions,
    broker: Broker,
    visitors: Visitors,
}

pub(super) fn routes(options: SampleAppOptions) -> Result<Router, SampleAppError> {
    let app = App(Arc::new(Parts {
        broker: Broker::new(&options)?,
        options,
        visitors: Visitors::default(),
    }));
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
    let own = &app.0.options.public_url;
    let is_at_home =
        text(request.headers(), &header::HOST).is_some_and(|host| own.strip_prefix("http://") == Some(host));
    let is_own_form = text(request.headers(), &header::ORIGIN).is_none_or(|origin| origin == own);

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
    let (visitor, cookie) = app.0.visitors.of(&headers)?;
    let mut visitor = visitor.lock().await;
    let found = match app.what_is_left(&mut visitor).await {
        Ok(left) => Found {
            left,
            ..Found::default()
        },
        Err(refusal) => Found {
            refusal: Some(refusal),
            ..Found::default()
        },
    };
    Ok(with_cookie(pages::page(&app.0.options, &mut visitor, found), cookie))
}

async fn begin_connecting(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    let (visitor, cookie) = app.0.visitors.of(&headers)?;
    let mut visitor = visitor.lock().await;
    let url = connect::authorization_url(&app.0.options, &app.0.broker, &mut visitor).await;
    let response = match url {
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
    let (visitor, cookie) = app.0.visitors.of(&headers)?;
    let mut visitor = visitor.lock().await;
    let finished = connect::finish(&app.0.options, &app.0.broker, &mut visitor, callback).await;
    visitor.notice = Some(match finished {
        Ok(()) => format!("Your {} account is connected.", app.0.options.provider.name()),
        Err(error) => error.to_string(),
    });
    Ok(with_cookie(Redirect::to("/").into_response(), cookie))
}

async fn disconnect(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    let (visitor, cookie) = app.0.visitors.of(&headers)?;
    let mut visitor = visitor.lock().await;
    if let Some(passport) = visitor.passport.take() {
        // Best effort: the user can stop the app in AIPassport whatever happens here.
        let _ = app.0.broker.revoke(&passport).await;
        visitor.notice = Some("Disconnected. Jotter has given its access back.".to_owned());
    }
    Ok(with_cookie(Redirect::to("/").into_response(), cookie))
}

/// What is left, for the page to show while an answer streams.
async fn left(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    let (visitor, _) = app.0.visitors.of(&headers)?;
    let left = app.what_is_left(&mut *visitor.lock().await).await;
    Ok(Json(match left {
        Ok(left) => json!({"left": left}),
        Err(refusal) => shown(&refusal),
    })
    .into_response())
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
    let (visitor, cookie) = app.0.visitors.of(&headers)?;
    let note: String = form.note.chars().take(LONGEST_NOTE).collect();
    let pace = if form.pace == "slow" { Pace::Slow } else { Pace::Usual };
    let wants_stream = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));

    let answer = {
        let mut visitor = visitor.lock().await;
        visitor.note.clone_from(&note);
        app.ask(&mut visitor, &note, pace).await
    };
    let response = if wants_stream {
        stream_answer(app, visitor, answer)
    } else {
        let found = app.collect(&visitor, answer).await;
        pages::page(&app.0.options, &mut *visitor.lock().await, found)
    };
    Ok(with_cookie(response, cookie))
}

/// Server-sent events of JSON: `{"text"}` as it comes, then `{"done"}` or `{"refused"}`.
fn stream_answer(app: App, visitor: SharedVisitor, answer: Result<AnswerStream, Refusal>) -> Response {
    let events = stream::unfold(Some(answer), move |state| {
        let (app, visitor) = (app.clone(), visitor.clone());
        async move {
            let (event, rest) = match state? {
                Ok(mut answer) => match app.next_piece(&visitor, &mut answer).await {
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

fn shown(refusal: &Refusal) -> Value {
    json!({
        "refused": refusal.text,
        "raise_url": refusal.raise_url,
        "disconnected": refusal.is_disconnected,
    })
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The only thing that leaves nothing to show.
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
