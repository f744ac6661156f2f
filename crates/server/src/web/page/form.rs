//! Who is at the browser, and what their form says. A page takes a [`Visitor`], what changes
//! something takes a [`SignedForm`]: neither can be had without the checks.

use std::net::IpAddr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
};
use http::{HeaderMap, header, request::Parts};

use crate::web::error::PageError;
use crate::{
    app::App,
    browser_session::{self, SignedIn, check_origin},
    peer,
};

/// Sent by a page that asks for itself again without its user.
const LIVE_HEADER: &str = "aipassport-live";
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// A signed-in user who looks at a page.
pub(in crate::web) struct Visitor(pub(in crate::web) SignedIn);

/// A form that a signed-in user sent from a page of ours.
pub(in crate::web) struct SignedForm {
    pub(in crate::web) signed_in: SignedIn,
    pub(in crate::web) fields: Fields,
    pub(in crate::web) headers: HeaderMap,
    pub(in crate::web) peer: Option<IpAddr>,
}

/// A form sent from a page of ours before sign-in.
pub(in crate::web) struct OpenForm {
    pub(in crate::web) fields: Fields,
    pub(in crate::web) headers: HeaderMap,
    pub(in crate::web) peer: Option<IpAddr>,
}

/// A form's fields in their order; names may come more than once. A password may be among them, so
/// they are not to be printed.
#[derive(Clone, Default)]
pub(in crate::web) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(in crate::web) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The first field of that name, trimmed; empty where there is none.
    pub(in crate::web) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// As it was typed, for passwords.
    pub(in crate::web) fn raw(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub(in crate::web) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(in crate::web) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|known| known == value)
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageError> {
        let is_live = parts.headers.contains_key(LIVE_HEADER);
        let found = if is_live {
            browser_session::peek(app, &parts.headers).await?
        } else {
            browser_session::signed_in(app, &parts.headers).await?
        };
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
        found.map(Self).ok_or_else(|| PageError::SignIn {
            return_to: here.to_owned(),
        })
    }
}

impl FromRequest<App> for SignedForm {
    type Rejection = PageError;

    async fn from_request(request: Request, app: &App) -> Result<Self, PageError> {
        let signed_in = browser_session::signed_in(app, request.headers()).await?;
        let OpenForm { fields, headers, peer } = OpenForm::from_request(request, app).await?;
        let signed_in = signed_in.ok_or_else(|| PageError::SignIn {
            return_to: String::new(),
        })?;
        signed_in.check_form(app, &headers, fields.raw("csrf"))?;
        Ok(Self {
            signed_in,
            fields,
            headers,
            peer,
        })
    }
}

impl FromRequest<App> for OpenForm {
    type Rejection = PageError;

    async fn from_request(request: Request, app: &App) -> Result<Self, PageError> {
        let headers = request.headers().clone();
        let peer = peer::of(app, &headers, request.extensions());
        check_origin(&app.config, &headers)?;
        let content_type = headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        let is_form = content_type.is_some_and(|value| {
            value
                .split(|byte| *byte == b';')
                .next()
                .is_some_and(|kind| kind.eq_ignore_ascii_case(FORM))
        });
        if !is_form {
            return Err(PageError::BadForm);
        }
        let body = Bytes::from_request(request, app)
            .await
            .map_err(|_| PageError::BadForm)?;
        Ok(Self {
            fields: Fields::parse(&body),
            headers,
            peer,
        })
    }
}
