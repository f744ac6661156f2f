//! `POST /proxy/chat`, the face that AIPassport 0.2 had: the grant says which provider, the body is
//! what its chat takes, and the answer is the provider's own. Refusals are plain JSON.
//!
//! What apps sent to 0.2, `{model, messages}`, is put into the provider's words by the `translate` module
//! of the `providers` crate. From there on a call is like any other: `proxy.rs`.

use aipassport_domain::{authorization_details::AiAccess, grant::Grant, ids::ProviderId};
use aipassport_providers::{
    adapter::{self, ProviderAdapter},
    translate::{self, Address},
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderValue, Uri, header, request};

use super::{
    authenticate::authenticate,
    error::{GatewayError, Shape},
    own_grant::plain,
    proxy::{self, Via},
    read::RequestBody,
};
use crate::app::App;

/// Which Anthropic API this is written for; 0.2 sent the same.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

pub(super) async fn chat(State(app): State<App>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    match addressed(&app, head, body).await {
        Ok((addressed, request)) => {
            let via = Via::plainly(Shape::Plain);
            proxy::answer(&app, addressed, via, request).await
        }
        Err(error) => plain::respond(&app, Err(error)),
    }
}

/// The same request as it would have come to the path of the provider that the grant is for.
pub(super) async fn addressed(
    app: &App,
    mut head: request::Parts,
    body: Body,
) -> Result<((&'static dyn ProviderAdapter, ProviderId), Request), GatewayError> {
    let caller = authenticate(app, &head, None, app.clock.now()).await?;
    let mut body = RequestBody::Unread(body);
    let body = body.read(app, &caller.token.grant_id, &head.headers).await?;
    let model = Address::read(&body)?.model;
    let access = access_for(caller.grant.grant(), &model).ok_or(GatewayError::NotFound)?;
    let provider = &access.provider;
    let adapter = adapter::by_id(provider.as_str()).ok_or(GatewayError::NotFound)?;

    let (path, body) = translate::own_chat(adapter.id(), body)?;
    let path = format!("/{provider}{path}");
    let addressed = adapter::at_path(&path).ok_or(GatewayError::NotFound)?;
    head.uri = Uri::try_from(path).map_err(|_| GatewayError::NotFound)?;
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.entry("anthropic-version").or_insert(ANTHROPIC_VERSION);
    Ok((addressed, Request::from_parts(head, Body::from(body))))
}

/// What covers the model; where nothing does, the first, by which the call is then refused.
pub(super) fn access_for<'a>(grant: &'a Grant, model: &str) -> Option<&'a AiAccess> {
    let mut details = grant.authorization_details.iter();
    let first = details.clone().next();
    details.find(|access| access.covers_model(model)).or(first)
}
