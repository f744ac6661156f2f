//! The way to the broker: its published endpoints, tokens, and calls with them.

use std::time::{Duration, Instant};

use aipassport_domain::secret::Secret;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::{net::TcpStream, sync::OnceCell, time::timeout};
use tokio_util::task::TaskTracker;

use super::{SampleAppError, SampleAppOptions, visitors::Passport};

const LONGEST_WAIT: Duration = Duration::from_mins(2);
const MOST_JSON: usize = 1024 * 1024;
/// A token is refreshed this long before it ends, so that it does not end on its way.
const REFRESH_EARLY: Duration = Duration::from_secs(30);

pub(super) struct Broker {
    /// The issuer, without a slash at the end.
    url: String,
    /// Host and port.
    authority: String,
    client_id: String,
    client_secret: Option<Secret>,
    metadata: OnceCell<Metadata>,
    connections: TaskTracker,
}

/// What the broker publishes about itself (RFC 8414).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    revocation_endpoint: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum BrokerError {
    #[error("{0}")]
    Unreachable(&'static str),
    #[error("{0}")]
    Unexpected(&'static str),
    /// The token endpoint said no: the code or the refresh token is of no use.
    #[error("the authorization server refused: {0}")]
    Refused(String),
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
    expires_in: u64,
}

impl Broker {
    pub(super) fn new(options: &SampleAppOptions) -> Result<Self, SampleAppError> {
        let authority = options.broker_url.strip_prefix("http://").unwrap_or_default();
        if authority.is_empty() || authority.contains('/') {
            return Err(SampleAppError::BrokerUrl(options.broker_url.clone()));
        }
        Ok(Self {
            url: options.broker_url.clone(),
            authority: authority.to_owned(),
            client_id: options.client_id.clone(),
            client_secret: options.client_secret.clone(),
            metadata: OnceCell::new(),
            connections: TaskTracker::new(),
        })
    }

    /// The broker's metadata, fetched once.
    pub(super) async fn metadata(&self) -> Result<&Metadata, BrokerError> {
        self.metadata
            .get_or_try_init(|| async {
                let path = "/.well-known/oauth-authorization-server";
                let (_, _, body) = self.json(Method::GET, path, None, Call::default()).await?;
                let metadata: Metadata =
                    serde_json::from_value(body).map_err(|_| BrokerError::Unexpected("its metadata cannot be read"))?;
                // RFC 8414, section 3.3: metadata of somebody else is not to be used.
                if metadata.issuer == self.url {
                    Ok(metadata)
                } else {
                    Err(BrokerError::Unexpected("its metadata names another issuer"))
                }
            })
            .await
    }

    /// Exchanges an authorization code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).
    pub(super) async fn redeem(
        &self,
        code: &str,
        code_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<Passport, BrokerError> {
        self.tokens(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", code_verifier.expose()),
        ])
        .await
    }

    /// New tokens for old. The old refresh token is used up by it.
    pub(super) async fn refresh(&self, passport: &Passport) -> Result<Passport, BrokerError> {
        let Some(refresh_token) = &passport.refresh_token else {
            return Err(BrokerError::Refused("there is no refresh token".to_owned()));
        };
        let refreshed = self
            .tokens(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh_token.expose()),
            ])
            .await?;
        Ok(Passport {
            refresh_token: refreshed.refresh_token.or_else(|| passport.refresh_token.clone()),
            ..refreshed
        })
    }

    /// Gives the tokens back (RFC 7009).
    pub(super) async fn revoke(&self, passport: &Passport) -> Result<(), BrokerError> {
        let Some(endpoint) = self.metadata().await?.revocation_endpoint.clone() else {
            return Ok(());
        };
        let token = passport.refresh_token.as_ref().unwrap_or(&passport.access_token);
        self.post_form(&endpoint, &[("token", token.expose())]).await?;
        Ok(())
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Result<Passport, BrokerError> {
        let endpoint = self.metadata().await?.token_endpoint.clone();
        let (status, _, body) = self.post_form(&endpoint, form).await?;
        if status != StatusCode::OK {
            let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
            let reason = text("error_description").or_else(|| text("error"));
            return Err(BrokerError::Refused(reason.unwrap_or_else(|| status.to_string())));
        }
        let answer: TokenAnswer =
            serde_json::from_value(body).map_err(|_| BrokerError::Unexpected("its tokens cannot be read"))?;
        Ok(Passport {
            access_token: Secret::new(answer.access_token),
            refresh_token: answer.refresh_token.map(Secret::new),
            expires_at: Instant::now() + Duration::from_secs(answer.expires_in).saturating_sub(REFRESH_EARLY),
        })
    }

    async fn post_form(&self, endpoint: &str, form: &[(&str, &str)]) -> Result<Answered, BrokerError> {
        let Some(path) = endpoint.strip_prefix(&self.url) else {
            return Err(BrokerError::Unexpected("an endpoint of it is elsewhere"));
        };
        let call = Call {
            content_type: "application/x-www-form-urlencoded",
            body: self.with_client_authentication(form),
        };
        self.json(Method::POST, path, None, call).await
    }

    fn with_client_authentication(&self, form: &[(&str, &str)]) -> String {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form).append_pair("client_id", &self.client_id);
        if let Some(secret) = &self.client_secret {
            body.append_pair("client_secret", secret.expose());
        }
        body.finish()
    }

    /// A request whose answer is read whole, as JSON; null where it is none.
    pub(super) async fn json(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        call: Call,
    ) -> Result<Answered, BrokerError> {
        let (head, body) = self.send(method, path, token, call).await?.into_parts();
        Ok((head.status, head.headers, read_json(body).await))
    }

    /// A request whose answer is read as it comes.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        call: Call,
    ) -> Result<Response<Incoming>, BrokerError> {
        let mut request = Request::new(Full::new(Bytes::from(call.body)));
        *request.method_mut() = method;
        *request.uri_mut() = path
            .parse()
            .map_err(|_| BrokerError::Unexpected("a path cannot be read"))?;
        let headers = request.headers_mut();
        let host = HeaderValue::try_from(&self.authority).map_err(|_| BrokerError::Unexpected("its host"))?;
        headers.insert(header::HOST, host);
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        if !call.content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(call.content_type));
        }
        // Anthropic's API wants it, others do not mind.
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| BrokerError::Unexpected("a token cannot be sent"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        timeout(LONGEST_WAIT, self.exchange(request))
            .await
            .map_err(|_| BrokerError::Unreachable("no answer in time"))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, BrokerError> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|_| BrokerError::Unreachable("no connection"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| BrokerError::Unreachable("no connection"))?;
        // The connection lasts as long as its one answer.
        self.connections.spawn(async move {
            let _ = connection.await;
        });
        sender
            .send_request(request)
            .await
            .map_err(|_| BrokerError::Unreachable("the connection broke"))
    }
}

/// Status, headers and JSON of an answer.
pub(super) type Answered = (StatusCode, HeaderMap, Value);

/// What a request carries besides its token.
#[derive(Default)]
pub(super) struct Call {
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Call {
    pub(super) fn json(body: &Value) -> Self {
        Self {
            content_type: "application/json",
            body: body.to_string(),
        }
    }
}

pub(super) async fn read_json(body: Incoming) -> Value {
    match Limited::new(body, MOST_JSON).collect().await {
        Ok(body) => serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
        Err(_) => Value::Null,
    }
}
