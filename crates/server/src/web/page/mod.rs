//! How any page is answered: its frame, and the headers that keep it to itself.

pub(super) mod assets;
pub(super) mod charts;
pub(super) mod error;
pub(super) mod form;
pub(super) mod parts;

use aipassport_store::User;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{app_words, error::PageError};
use crate::{app::App, browser_session::SignedIn};

/// What is around every page's own content.
pub(super) struct Frame {
    pub(super) nonce: String,
    pub(super) csrf: String,
    pub(super) user: Option<FrameUser>,
    pub(super) has_nav: bool,
    section: Option<Section>,
    /// What was just done, after a form sent the browser here.
    pub(super) notice: Option<&'static str>,
    /// Where to come back to after signing in as somebody else.
    pub(super) return_here: Option<String>,
    /// Where a form of this page may end up besides here: browsers hold redirects to it, too.
    form_target: Option<String>,
}

pub(super) struct FrameUser {
    pub(super) name: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Apps,
    Keys,
    Activity,
    Settings,
}

pub(super) struct NavItem {
    pub(super) href: &'static str,
    pub(super) name: &'static str,
    pub(super) is_current: bool,
}

impl Frame {
    /// For a page before sign-in.
    pub(super) fn outside(app: &App) -> Self {
        Self {
            nonce: app.random.secret("").expose().to_owned(),
            csrf: String::new(),
            user: None,
            has_nav: false,
            section: None,
            notice: None,
            return_here: None,
            form_target: None,
        }
    }

    /// For a page on the way through consent: no way to wander off, but one to be somebody else.
    pub(super) fn passing(app: &App, signed_in: &SignedIn, return_here: String) -> Self {
        Self {
            csrf: signed_in.csrf_token(&app.vault),
            user: Some(FrameUser::of(&signed_in.user)),
            return_here: Some(return_here),
            ..Self::outside(app)
        }
    }

    pub(super) fn inside(app: &App, signed_in: &SignedIn, section: Section) -> Self {
        Self {
            csrf: signed_in.csrf_token(&app.vault),
            user: Some(FrameUser::of(&signed_in.user)),
            has_nav: true,
            section: Some(section),
            ..Self::outside(app)
        }
    }

    pub(super) fn with_notice(mut self, notice: Option<&'static str>) -> Self {
        self.notice = notice;
        self
    }

    pub(super) fn with_form_target(mut self, source: Option<String>) -> Self {
        self.form_target = source;
        self
    }

    pub(super) fn nav(&self) -> [NavItem; 4] {
        [
            (Section::Apps, "/apps", "Apps"),
            (Section::Keys, "/keys", "Keys"),
            (Section::Activity, "/activity", "Activity"),
            (Section::Settings, "/settings", "Settings"),
        ]
        .map(|(section, href, name)| NavItem {
            href,
            name,
            is_current: self.section == Some(section),
        })
    }

    /// For pages drawn from made-up data.
    #[cfg(test)]
    pub(super) fn sample(name: Option<&str>, section: Option<Section>) -> Self {
        Self {
            nonce: "nonce".to_owned(),
            csrf: "csrf".to_owned(),
            user: name.map(|name| FrameUser { name: name.to_owned() }),
            has_nav: section.is_some(),
            section,
            notice: None,
            return_here: None,
            form_target: None,
        }
    }

    fn content_security_policy(&self) -> String {
        format!(
            "default-src 'none'; script-src 'nonce-{}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             form-action 'self'{}{}; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            self.nonce,
            if self.form_target.is_some() { " " } else { "" },
            self.form_target.as_deref().unwrap_or_default(),
        )
    }
}

impl FrameUser {
    fn of(user: &User) -> Self {
        Self {
            name: app_words::clean(&user.name, 80),
        }
    }
}

/// Renders `template`, whose frame is `frame`.
pub(super) fn page(status: StatusCode, frame: &Frame, template: &impl Template) -> Result<Response, PageError> {
    let html = template.render().map_err(|error| PageError::Broken(error.into()))?;
    let mut headers = own_headers();
    let policy =
        HeaderValue::try_from(frame.content_security_policy()).map_err(|error| PageError::Broken(error.into()))?;
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    Ok((status, headers, html).into_response())
}

/// Sends the browser on after a form, so that reloading does not send it again.
pub(super) fn see_other(path: &str) -> Response {
    let mut headers = own_headers();
    headers.remove(header::CONTENT_TYPE);
    (headers, Redirect::to(path)).into_response()
}

/// Nobody frames a page, keeps it, opens it from elsewhere, or learns where a user came from.
fn own_headers() -> HeaderMap {
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not no-referrer: with it browsers post forms with the origin `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    fixed
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}
