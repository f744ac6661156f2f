//! `POST /proxy/code`, `/proxy/embeddings`, `/proxy/images` and `/proxy/audio`: what 0.2 had words for
//! and no paths. As in `/proxy/chat`, the grant says which provider, the request is in OpenAI's words,
//! and the answer is the provider's own. Refusals are plain JSON.
//!
//! A form in parts edits images, or brings a sound to be written down; a document asks for new ones,
//! or for speech.

use aipassport_domain::{authorization_details::Capability, ids::ProviderId};
use aipassport_providers::{
    adapter,
    translate::{Address, FaceOperation, Way},
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{Uri, header, request};

use super::{
    authenticate::{Caller, authenticate},
    error::{GatewayError, Shape},
    own_chat::{self, access_for},
    own_grant::plain,
    proxy::{self, Via},
    read::{RequestBody, is_media_type},
};
use crate::app::App;

/// What one of the paths stands for.
struct OwnPath {
    document: FaceOperation,
    /// Where it takes forms, too.
    form: Option<FaceOperation>,
}

/// A chat that counts as code: for grants that have that, and no other conversations.
pub(super) async fn code(State(app): State<App>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    match own_chat::addressed(&app, head, body).await {
        Ok((addressed, request)) => {
            let via = Via {
                capability: Some(Capability::Code),
                ..Via::plainly(Shape::Plain)
            };
            proxy::answer(&app, addressed, via, request).await
        }
        Err(error) => plain::respond(&app, Err(error)),
    }
}

pub(super) async fn embeddings(State(app): State<App>, request: Request) -> Response {
    let path = OwnPath {
        document: FaceOperation::Embeddings,
        form: None,
    };
    path.answer(&app, request).await
}

pub(super) async fn images(State(app): State<App>, request: Request) -> Response {
    let path = OwnPath {
        document: FaceOperation::MakeImages,
        form: Some(FaceOperation::EditImages),
    };
    path.answer(&app, request).await
}

pub(super) async fn audio(State(app): State<App>, request: Request) -> Response {
    let path = OwnPath {
        document: FaceOperation::Speech,
        form: Some(FaceOperation::Transcription),
    };
    path.answer(&app, request).await
}

impl OwnPath {
    async fn answer(&self, app: &App, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let addressed = self.address(app, head, body).await.and_then(|(path, request)| {
            let to = adapter::at_path(&path).ok_or(GatewayError::NotFound)?;
            Ok((to, request))
        });
        match addressed {
            Ok((to, request)) => proxy::answer(app, to, Via::plainly(Shape::Plain), request).await,
            Err(error) => plain::respond(app, Err(error)),
        }
    }

    /// The same request as it would have come to the path of the provider that the grant is for.
    async fn address(
        &self,
        app: &App,
        mut head: request::Parts,
        body: Body,
    ) -> Result<(String, Request), GatewayError> {
        let caller = authenticate(app, &head, None, app.clock.now()).await?;
        let is_form = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| is_media_type(kind, "multipart/form-data"));
        let form = self.form.filter(|_| is_form);
        let body = RequestBody::Unread(body);
        let (path, body) = match form.and_then(|operation| Some((operation, operation.form_rules()?))) {
            Some((operation, rules)) => {
                let mut body = body;
                let upload = body
                    .read_form(app, &caller.token.grant_id, &head.headers, rules)
                    .await?;
                let model = upload.form().value("model").unwrap_or_default().to_owned();
                let (provider, kind) = provider_of(&caller, &model)?;
                let path = operation.form_path(kind)?;
                let form = body.take_form().ok_or(GatewayError::Internal)?;
                (format!("/{provider}{path}"), form.into_body(0))
            }
            None => self.address_document(app, &caller, &head, body).await?,
        };
        head.uri = Uri::try_from(path.as_str()).map_err(|_| GatewayError::NotFound)?;
        head.headers.remove(header::CONTENT_LENGTH);
        Ok((path, Request::from_parts(head, body)))
    }

    async fn address_document(
        &self,
        app: &App,
        caller: &Caller,
        head: &request::Parts,
        mut body: RequestBody,
    ) -> Result<(String, Body), GatewayError> {
        let body = body.read(app, &caller.token.grant_id, &head.headers).await?;
        let (provider, kind) = provider_of(caller, &Address::read(&body)?.model)?;
        let (path, body) = match self.document.to_provider(kind, body)? {
            Way::AsItIs { path, body, .. } => (path, body),
            Way::Translated(translated) => (translated.path, translated.body),
        };
        Ok((format!("/{provider}{path}"), Body::from(body)))
    }
}

/// The provider that the grant has for `model`, and of which kind it is.
fn provider_of(caller: &Caller, model: &str) -> Result<(ProviderId, &'static str), GatewayError> {
    let access = access_for(caller.grant.grant(), model).ok_or(GatewayError::NotFound)?;
    let adapter = adapter::by_id(access.provider.as_str()).ok_or(GatewayError::NotFound)?;
    Ok((access.provider.clone(), adapter.id()))
}
