//! Answers outside the providers' paths: plain JSON, errors too.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};
use serde_json::Value;

use crate::{
    app::App,
    gateway::{
        error::{Asked, GatewayError, Shape},
        headers,
    },
};

pub(in crate::gateway) fn respond(app: &App, answer: Result<Value, GatewayError>) -> Response {
    let now = app.clock.now();
    let request_id = app.random.id(now);
    match answer {
        Ok(body) => {
            let mut response = json(Body::from(body.to_string()));
            headers::finish(response.headers_mut(), &request_id, None);
            response
        }
        Err(error) => error.respond(
            app,
            Asked {
                shape: Shape::Plain,
                provider: None,
                request_id: &request_id,
                of: None,
                now,
            },
        ),
    }
}

/// A 200 of JSON that is written already.
pub(in crate::gateway) fn json(body: Body) -> Response {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
