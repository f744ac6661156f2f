//! The hot path: one call from the client to its provider and back.

use std::{panic::AssertUnwindSafe, time::Instant};

use aipassport_domain::{
    authorization_details::Capability,
    ids::{CallId, ProviderId},
    policy,
    time::Timestamp,
};
use aipassport_providers::{
    adapter::{ProviderAdapter, Route, RouteKind, Unread},
    request::{ReadRequest, Storing},
    translate::Lost,
};
use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{header, request};

use super::{
    authenticate::{Caller, authenticate},
    error::{Asked, GatewayError, Shape},
    headers,
    live::LiveCalls,
    open_reservation::OpenReservation,
    own_grant,
    read::RequestBody,
    stored,
    stream::meter,
    translation::Translation,
    upstream::{Outgoing, OutgoingBody, forward},
};
use crate::app::App;

/// How often a call is decided when the grant keeps changing under it.
const MOST_DECISIONS: u32 = 5;

/// How the client of a call is spoken to.
pub(super) struct Via {
    pub(super) shape: Shape,
    /// Where its words are not the provider's.
    pub(super) translation: Option<Translation>,
    /// What of the request was left behind.
    pub(super) lost: Lost,
    /// Whether the usage of a stream, which the provider says unasked, is not for the client.
    pub(super) hides_usage: bool,
    /// What it counts as, where that is not what its path says.
    pub(super) capability: Option<Capability>,
}

impl Via {
    /// For a client that speaks as its provider does.
    pub(super) fn plainly(shape: Shape) -> Self {
        Self {
            shape,
            translation: None,
            lost: Lost::default(),
            hides_usage: false,
            capability: None,
        }
    }
}

/// One request on a provider's path.
struct Arrival {
    adapter: &'static dyn ProviderAdapter,
    via: Via,
    provider: ProviderId,
    head: request::Parts,
    body: RequestBody,
    id: CallId,
    at: Timestamp,
    /// The same moment by a clock that never steps: what was loaded since then is current.
    arrived: Instant,
    /// Once it is known who calls.
    caller: Option<Caller>,
    /// Once it is known which model is asked for.
    model: Option<String>,
}

/// Answers a request on the path of `provider`, which `adapter` speaks for, whatever becomes of it.
pub(super) async fn answer(
    app: &App,
    (adapter, provider): (&'static dyn ProviderAdapter, ProviderId),
    via: Via,
    request: Request,
) -> Response {
    let at = app.clock.now();
    let arrived = Instant::now();
    let (head, body) = request.into_parts();
    let mut arrival = Arrival {
        adapter,
        via,
        provider,
        head,
        body: RequestBody::Unread(body),
        id: CallId::new(app.random.id(at)),
        at,
        arrived,
        caller: None,
        model: None,
    };
    // A panic is our fault, and this client's alone: its reservation settles as it unwinds.
    let answered = AssertUnwindSafe(answer_current(app, &mut arrival)).catch_unwind().await;
    answered.unwrap_or(Err(GatewayError::Internal)).unwrap_or_else(|error| {
        if let Some(caller) = &arrival.caller {
            let refusals = &app.gateway.refusals;
            refusals.note(&caller.token.grant_id, arrival.model.as_deref(), &error, at);
        }
        error.respond(app, arrival.asked())
    })
}

/// Decides a call anew as long as it was decided on a grant that has changed since.
async fn answer_current(app: &App, arrival: &mut Arrival) -> Result<Response, GatewayError> {
    for _ in 0..MOST_DECISIONS {
        match proxy(app, arrival).await {
            Err(error) if arrival.was_decided_on_old(&error) => arrival.forget_decision(app).await?,
            answered => return answered,
        }
    }
    Err(GatewayError::Stale)
}

/// Forwards one call to its provider, within what the user granted. Each step takes what the one
/// before made; the last, settling, is what becomes of the reservation when the answer is over.
async fn proxy(app: &App, arrival: &mut Arrival) -> Result<Response, GatewayError> {
    let adapter = arrival.adapter;
    let caller = authenticate(app, &arrival.head, Some(&arrival.provider), arrival.at).await?;
    arrival.caller = Some(caller.clone());
    let route = arrival.route()?;
    if let RouteKind::ListModels | RouteKind::GetModel(_) | RouteKind::Constant(_) = &route.kind {
        let models = own_grant::models(app, (adapter, &arrival.provider), caller, &route.kind).await?;
        return Ok(arrival.answer_with(models));
    }
    caller.check_has_key_for(&arrival.provider)?;

    let grant_id = &caller.token.grant_id;
    let mut request = arrival.read(app, &caller, &route).await?;
    arrival.model = Some(request.call.model.clone());
    if caller.has_stored_state(&arrival.provider) {
        request.store_unsaid();
    }
    if let Some(capability) = arrival.via.capability {
        request.call.capability = capability;
    }
    if arrival.via.hides_usage {
        request.metering.hide_usage();
    }

    let permit = policy::authorize(caller.grant.grant(), &request.call, arrival.id.clone(), arrival.at)?;
    stored::check_names(app, grant_id, &arrival.provider, &request.names).await?;

    let prices = caller.grant.prices();
    let mut open = OpenReservation::reserve(app, permit, &request.metering, prices, arrival.at).await?;

    let call = LiveCalls::enter(app, &caller, request.call, &open);
    let outgoing = Outgoing {
        method: arrival.head.method.clone(),
        path: route.upstream_path,
        headers: adapter.request_headers(&arrival.head.headers),
        body: match arrival.body.take_form() {
            Some(form) => OutgoingBody::Form(form),
            None => OutgoingBody::Document(request.body.with_output_cap(open.output_cap()).into()),
        },
    };
    let forwarding = forward(app, &caller, adapter, &arrival.provider, outgoing, &mut open);
    let forwarded = call.unless_ended(forwarding).await;
    let mut answer = forwarded.inspect_err(|error| open.end(error.outcome()))?;
    if let Storing::Asked(Some(_)) = request.storing {
        let recording = stored::record(app, adapter, open.permit(), &mut answer);
        let recorded = call.unless_ended(recording).await;
        recorded.inspect_err(|error| open.end(error.outcome()))?;
    }

    meter(app, adapter, &arrival.via, answer, open, call)
}

impl Arrival {
    /// The one thing that is asked for. The path is taken as it came: what a parser would put right
    /// is not found.
    fn route(&self) -> Result<Route, GatewayError> {
        let uri = &self.head.uri;
        if self.head.headers.contains_key(header::UPGRADE) {
            return Err(policy::Denial::FeatureNotGranted("upgraded connections").into());
        }
        let path = uri.path().strip_prefix('/');
        let path = path.and_then(|path| path.strip_prefix(self.provider.as_str()));
        path.filter(|_| uri.authority().is_none())
            .and_then(|path| self.adapter.route(&self.head.method, path, uri.query()))
            .ok_or(GatewayError::NotFound)
    }

    /// Step 2: from bytes to the call that policy decides on. What is kept in memory is the grant's.
    async fn read(&mut self, app: &App, caller: &Caller, route: &Route) -> Result<ReadRequest, GatewayError> {
        let grant_id = &caller.token.grant_id;
        let mut unread = Unread {
            provider: &self.provider,
            route,
            headers: &self.head.headers,
            body: Bytes::new(),
            prices: caller.grant.prices(),
        };
        if let RouteKind::Stored(object) = &route.kind {
            let model = stored::model_of(app, grant_id, &self.provider, object).await?;
            return Ok(ReadRequest::about_stored(&self.provider, model));
        }
        if let Some(rules) = self.adapter.form_rules(route) {
            let upload = self.body.read_form(app, grant_id, &self.head.headers, rules).await?;
            return Ok(self.adapter.read_form(&unread, upload.form(), upload.most_bytes())?);
        }
        unread.body = self.body.read(app, grant_id, &self.head.headers).await?;
        Ok(self.adapter.read(&unread)?)
    }

    /// What was worked out here, without the provider.
    fn answer_with(&self, json: Bytes) -> Response {
        let mut response = own_grant::plain::json(Body::from(json));
        headers::finish(response.headers_mut(), self.id.as_str(), Some(self.adapter));
        response
    }

    /// Whether a newer state of the grant could admit what `error` refuses.
    fn was_decided_on_old(&self, error: &GatewayError) -> bool {
        let is_fresh = self
            .caller
            .as_ref()
            .is_none_or(|caller| caller.grant.was_loaded_since(self.arrived));
        match error {
            GatewayError::Stale => true,
            GatewayError::Denied(policy::Denial::Limit(_)) => false,
            GatewayError::Denied(_) | GatewayError::NoCredential => !is_fresh,
            _ => false,
        }
    }

    /// Forgets all that the decision rested on: the token, the grant and the signing keys.
    async fn forget_decision(&mut self, app: &App) -> Result<(), GatewayError> {
        let Some(caller) = self.caller.take() else {
            return Ok(());
        };
        app.gateway.tokens.forget(&caller.digest);
        app.gateway.grants.forget(&caller.token.grant_id);
        let reloaded = app.signing.reload(&app.store, &app.vault, &app.tenant_id);
        reloaded.await.map_err(|error| {
            tracing::error!(%error, "cannot read the signing keys");
            GatewayError::Unavailable
        })
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            shape: self.via.shape,
            provider: matches!(self.via.shape, Shape::Provider(_)).then_some(&self.provider),
            request_id: self.id.as_str(),
            of: self.caller.as_ref().map(Caller::ids),
            now: self.at,
        }
    }
}
