//! `/v1`: OpenAI's formats over every provider of a grant.
//!
//! A request is addressed by its `model` (`address.rs`), put into its provider's words by the
//! `translate` module of the `providers` crate, and from there on it is a call like any other on
//! that provider's path: `proxy.rs`. What the adapter reads, what is held for and what is sent are
//! the translated bytes. The answer is put into OpenAI's words after it was metered.

use aipassport_domain::ids::ProviderId;
use aipassport_providers::{
    adapter::{self, ProviderAdapter},
    multipart::FormRules,
    translate::{Address, FaceOperation, Lost, Way},
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request};
use serde_json::Value;

use self::address::Destination;
use super::{
    authenticate::{Caller, authenticate},
    error::{Asked, GatewayError, Shape},
    headers, own_grant,
    proxy::{self, Via},
    read::RequestBody,
    translation::Translation,
};
use crate::app::App;

mod address;

/// Which of Anthropic's APIs the translation is written for.
const ANTHROPIC_VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("anthropic-version"),
    HeaderValue::from_static("2023-06-01"),
);

/// A request on its way to its provider.
struct Visit<'a> {
    app: &'a App,
    /// Once it is known who calls.
    caller: Option<Caller>,
    /// Once it is known which model is asked for.
    model: Option<String>,
}

/// A request on its provider's path.
struct Addressed {
    to: (&'static dyn ProviderAdapter, ProviderId),
    via: Via,
    request: Request,
}

/// A request as its provider would have it, and where it goes.
struct Prepared {
    provider: ProviderId,
    path: String,
    body: Body,
    translation: Option<Translation>,
    lost: Lost,
    hides_usage: bool,
}

pub(super) async fn call(State(app): State<App>, request: Request) -> Response {
    let mut visit = Visit {
        app: &app,
        caller: None,
        model: None,
    };
    if request.method() == Method::GET {
        let (head, _) = request.into_parts();
        let listed = visit.models(&head).await;
        return listed.map_or_else(|error| visit.refuse(&error), |models| visit.answer(&models));
    }
    match visit.address(request).await {
        Ok(Addressed { to, via, request }) => proxy::answer(&app, to, via, request).await,
        Err(error) => visit.refuse(&error),
    }
}

impl Visit<'_> {
    /// `GET /v1/models` and `GET /v1/models/{id}`; OpenAI's SDKs encode the slash of an id.
    async fn models(&self, head: &request::Parts) -> Result<Value, GatewayError> {
        let path = head.uri.path().strip_prefix("/v1/models").unwrap_or("/");
        match path.strip_prefix('/') {
            None if path.is_empty() => own_grant::list_on_face(self.app, head).await,
            Some(id) if !id.is_empty() => {
                let id = id.replace("%2F", "/");
                own_grant::one_on_face(self.app, head, &id).await
            }
            _ => Err(GatewayError::NotFound),
        }
    }

    fn answer(&self, json: &Value) -> Response {
        let mut response = own_grant::plain::json(Body::from(json.to_string()));
        let request_id = self.app.random.id(self.app.clock.now());
        headers::finish(response.headers_mut(), &request_id, Shape::Face.adapter());
        response
    }

    async fn address(&mut self, request: Request) -> Result<Addressed, GatewayError> {
        let (mut head, body) = request.into_parts();
        let caller = authenticate(self.app, &head, None, self.app.clock.now()).await?;
        self.caller = Some(caller.clone());
        let operation = operation(&head).ok_or(GatewayError::NotFound)?;

        let body = RequestBody::Unread(body);
        let Prepared {
            provider,
            path,
            body,
            translation,
            lost,
            hides_usage,
        } = match operation.form_rules() {
            Some(rules) => {
                self.prepare_form(&caller, operation, &head.headers, body, rules)
                    .await?
            }
            None => self.prepare(&caller, operation, &mut head.headers, body).await?,
        };
        let path = format!("/{provider}{path}");
        let to = adapter::at_path(&path).ok_or(GatewayError::NotFound)?;
        head.uri = Uri::try_from(path).map_err(|_| GatewayError::NotFound)?;
        head.headers.remove(header::CONTENT_LENGTH);
        Ok(Addressed {
            to,
            via: Via {
                shape: Shape::Face,
                translation,
                lost,
                hides_usage,
                capability: None,
            },
            request: Request::from_parts(head, body),
        })
    }

    async fn prepare(
        &mut self,
        caller: &Caller,
        operation: FaceOperation,
        headers: &mut HeaderMap,
        mut body: RequestBody,
    ) -> Result<Prepared, GatewayError> {
        let body = body.read(self.app, &caller.token.grant_id, headers).await?;
        let address = Address::read(&body)?;
        let Destination { provider, model } = self.destination(caller, &address.model, operation).await?;
        let adapter = adapter::by_id(provider.as_str()).ok_or(GatewayError::NotFound)?;
        let body = address.rewrite(body, &model);
        self.model = Some(model);
        Ok(match operation.to_provider(adapter.id(), body)? {
            Way::AsItIs {
                path,
                body,
                lost,
                hides_usage,
            } => Prepared {
                provider,
                path,
                body: Body::from(body),
                translation: None,
                lost,
                hides_usage,
            },
            Way::Translated(translated) => {
                speak_for_ourselves(headers);
                Prepared {
                    provider,
                    path: translated.path,
                    body: Body::from(translated.body),
                    translation: Some(Translation(translated.plan)),
                    lost: translated.lost,
                    hides_usage: false,
                }
            }
        })
    }

    /// A form passes as it comes, but for the provider in front of its model's name.
    async fn prepare_form(
        &mut self,
        caller: &Caller,
        operation: FaceOperation,
        headers: &HeaderMap,
        mut body: RequestBody,
        rules: &'static FormRules,
    ) -> Result<Prepared, GatewayError> {
        let grant_id = &caller.token.grant_id;
        let upload = body.read_form(self.app, grant_id, headers, rules).await?;
        let named = upload.form().value("model").unwrap_or_default().to_owned();
        let Destination { provider, model } = self.destination(caller, &named, operation).await?;
        let adapter = adapter::by_id(provider.as_str()).ok_or(GatewayError::NotFound)?;
        let path = operation.form_path(adapter.id())?.to_owned();
        let form = body.take_form().ok_or(GatewayError::Internal)?;
        let prepared = Prepared {
            provider,
            path,
            body: form.into_body(named.len().saturating_sub(model.len())),
            translation: None,
            lost: Lost::default(),
            hides_usage: false,
        };
        self.model = Some(model);
        Ok(prepared)
    }

    /// Where `model` is, by the grant as it is remembered; where that knows of no one place, by the
    /// grant as it is.
    async fn destination(
        &self,
        caller: &Caller,
        model: &str,
        operation: FaceOperation,
    ) -> Result<Destination, GatewayError> {
        let capability = operation.capability();
        if let Ok(destination) = address::resolve(caller.grant.grant(), model, capability) {
            return Ok(destination);
        }
        let caller = caller.clone().refreshed(self.app).await?;
        address::resolve(caller.grant.grant(), model, capability)
    }

    fn refuse(&self, error: &GatewayError) -> Response {
        let app = self.app;
        let now = app.clock.now();
        let of = self.caller.as_ref().map(Caller::ids);
        if let Some((grant_id, _)) = of {
            app.gateway.refusals.note(grant_id, self.model.as_deref(), error, now);
        }
        error.respond(
            app,
            Asked {
                shape: Shape::Face,
                provider: None,
                request_id: &app.random.id(now),
                of,
                now,
            },
        )
    }
}

/// The path is taken as it came, and a query means nothing here.
fn operation(head: &request::Parts) -> Option<FaceOperation> {
    let has_query = head.uri.query().is_some_and(|query| !query.is_empty());
    if has_query || head.uri.authority().is_some() || head.headers.contains_key(header::UPGRADE) {
        return None;
    }
    FaceOperation::at(&head.method, head.uri.path())
}

/// To a provider of other words it is we who speak: what OpenAI's SDK says of itself is of no use.
fn speak_for_ourselves(headers: &mut HeaderMap) {
    let is_of_sdk = |name: &HeaderName| name.as_str().starts_with("x-stainless-");
    let of_sdk: Vec<HeaderName> = headers.keys().filter(|name| is_of_sdk(name)).cloned().collect();
    for name in of_sdk {
        headers.remove(name);
    }
    let (name, version) = ANTHROPIC_VERSION;
    headers.insert(name, version);
}
