//! What an authorization request asks for, once it is known where the answer goes.

use aipassport_domain::authorization_details::{self, AiAccess, SenderConstraint};
use axum::response::Response;

use super::{OAuthError, answer::RedirectTo, parameters::Parameters, pkce, resource};
use crate::app::App;

const LONGEST_STATE: usize = 4096;

#[derive(Debug)]
pub(super) struct Asked {
    pub(super) authorization_details: Vec<AiAccess>,
    pub(super) state: Option<String>,
    pub(super) code_challenge: String,
    pub(super) resource: Option<String>,
    /// `prompt=none`.
    pub(super) must_not_interact: bool,
}

/// An answer to the client, at its redirect URI.
pub(super) enum Refusal {
    OAuth(OAuthError),
    /// The errors that only this endpoint has.
    Other {
        code: &'static str,
        text: &'static str,
    },
}

impl Refusal {
    pub(super) fn send(&self, back: &RedirectTo<'_>) -> Response {
        match self {
            Self::OAuth(error) => back.error(error),
            Self::Other { code, text } => back.refuse(code, text),
        }
    }
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

pub(super) fn read(app: &App, parameters: &Parameters) -> Result<Asked, Refusal> {
    check_supported(parameters)?;
    let code_challenge = code_challenge(parameters)?;
    if parameters.get("state").is_some_and(|state| state.len() > LONGEST_STATE) {
        return Err(invalid("state is too long").into());
    }
    check_scope(parameters)?;
    let resource = parameters
        .get("resource")
        .map(|asked| resource::audience_of(app, asked))
        .transpose()?;
    Ok(Asked {
        authorization_details: authorization_details(parameters)?,
        state: parameters.get("state").map(str::to_owned),
        code_challenge,
        resource,
        must_not_interact: must_not_interact(parameters)?,
    })
}

fn check_supported(parameters: &Parameters) -> Result<(), Refusal> {
    // RFC 9101 objects could say anything, and would have to be fetched from somewhere.
    for (name, code) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
    ] {
        if parameters.get(name).is_some() {
            let text = "send the request as plain parameters";
            return Err(Refusal::Other { code, text });
        }
    }
    if parameters.required("response_type")? != "code" {
        let (code, text) = ("unsupported_response_type", "response_type is code");
        return Err(Refusal::Other { code, text });
    }
    if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("response_mode is query").into());
    }
    Ok(())
}

/// RFC 7636, section 4.3, for every client; without a method the challenge would be `plain`.
fn code_challenge(parameters: &Parameters) -> Result<String, OAuthError> {
    let challenge = parameters.required("code_challenge")?;
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(invalid("code_challenge_method is S256"));
    }
    if !pkce::is_challenge(challenge) {
        return Err(invalid(
            "code_challenge is the base64url of a SHA-256 digest, without padding",
        ));
    }
    Ok(challenge.to_owned())
}

/// The one scope is also the default (RFC 6749, section 3.3): without authorization details the user
/// picks what it means.
pub(super) fn check_scope(parameters: &Parameters) -> Result<(), OAuthError> {
    match parameters.get("scope") {
        None | Some("ai") => Ok(()),
        Some(_) => Err(OAuthError::InvalidScope),
    }
}

pub(super) fn authorization_details(parameters: &Parameters) -> Result<Vec<AiAccess>, OAuthError> {
    let Some(json) = parameters.get("authorization_details") else {
        return Ok(Vec::new());
    };
    let details = authorization_details::parse(json)
        .map_err(|error| OAuthError::InvalidAuthorizationDetails(error.to_string()))?;
    // Nothing checks a proof of possession yet, and a bound token must not pass as a bearer.
    if details
        .iter()
        .any(|access| access.sender_constraint != SenderConstraint::None)
    {
        let text = "sender_constraint is none";
        return Err(OAuthError::InvalidAuthorizationDetails(text.to_owned()));
    }
    Ok(details)
}

/// OpenID Connect Core 1.0, section 3.1.2.1: `none` stands alone.
fn must_not_interact(parameters: &Parameters) -> Result<bool, OAuthError> {
    match parameters.get("prompt") {
        Some("none") => Ok(true),
        Some(prompt) if prompt.split(' ').any(|word| word == "none") => Err(invalid("prompt=none stands alone")),
        _ => Ok(false),
    }
}

fn invalid(text: &str) -> OAuthError {
    OAuthError::InvalidRequest(text.to_owned())
}
