//! Who asks at the token, introspection and revocation endpoints (RFC 6749, section 2.3).

use aipassport_domain::{client::Client, ids::ClientId, secret::Secret};
use axum::body::Body;
use http::{HeaderMap, Request};

use super::{OAuthError, parameters::Parameters};
use crate::{
    app::App,
    client_secret::{self, NotAuthentic, NotBasic, Presented},
    peer,
};

/// Reads the form of a request, and authenticates its client by the way it is registered for: its
/// secret, in the header or in the body but not in both; or, for a public client, nothing but its
/// name.
///
/// A client that was disabled authenticates, and may do nothing: `unauthorized_client`.
pub(super) async fn authenticated(app: &App, request: Request<Body>) -> Result<(Client, Parameters), OAuthError> {
    let headers = request.headers().clone();
    let place = peer::of(app, &headers, request.extensions());
    let parameters = Parameters::of_form(app, request).await?;
    let presented = presented(&headers, &parameters)?;
    let authentic = client_secret::authentic(app, &presented, place).await;
    let client = authentic.map_err(|error| match error {
        NotAuthentic::Wrong => OAuthError::InvalidClient,
        NotAuthentic::TooMany(too_many) => OAuthError::TooManySecrets(too_many),
        NotAuthentic::Store(error) => OAuthError::internal(error),
    })?;
    if client.disabled_at.is_some() {
        return Err(OAuthError::UnauthorizedClient);
    }
    Ok((client, parameters))
}

fn presented(headers: &HeaderMap, parameters: &Parameters) -> Result<Presented, OAuthError> {
    let in_two_ways = || OAuthError::InvalidRequest("a client authenticates in one way, as one client".to_owned());
    let in_header = client_secret::basic(headers).map_err(|error| match error {
        NotBasic::Twice => in_two_ways(),
        NotBasic::Unreadable => OAuthError::InvalidClient,
    })?;
    let named = parameters.get("client_id").map(ClientId::new);
    let in_body = parameters.get("client_secret").map(Secret::new);

    let Some(in_header) = in_header else {
        return Ok(Presented {
            client_id: named.ok_or(OAuthError::InvalidClient)?,
            secret: in_body,
        });
    };
    let is_also_in_body = in_body.is_some() || parameters.get("client_assertion").is_some();
    if is_also_in_body || named.is_some_and(|named| named != in_header.client_id) {
        return Err(in_two_ways());
    }
    Ok(in_header)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use http::header;

    use super::*;

    fn outcome(values: &[&str], body: &str) -> Result<(String, Option<String>), &'static str> {
        let headers = values
            .iter()
            .map(|value| (header::AUTHORIZATION, value.parse().unwrap()))
            .collect();
        presented(&headers, &Parameters::parse(body).unwrap())
            .map(|presented| {
                let secret = presented.secret.map(|secret| secret.expose().to_owned());
                (presented.client_id.to_string(), secret)
            })
            .map_err(|error| error.code())
    }

    #[test]
    fn name_and_secret_are_form_encoded_in_the_header() {
        let basic = BASE64_STANDARD.encode("a%3Ab:s%2B+%25");
        let expected = Ok(("a:b".to_owned(), Some("s+ %".to_owned())));

        assert_eq!(outcome(&[&format!("Basic {basic}")], ""), expected);
        assert_eq!(outcome(&[&format!("basic {basic}")], "client_id=a%3Ab"), expected);
    }

    #[test]
    fn threat_42_a_client_authenticates_in_one_way_as_one_client() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("a:s"));

        assert_eq!(outcome(&[&basic], "client_secret=s"), Err("invalid_request"));
        assert_eq!(outcome(&[&basic], "client_id=b"), Err("invalid_request"));
        assert_eq!(outcome(&[&basic], "client_assertion=x"), Err("invalid_request"));
        assert_eq!(outcome(&[&basic, &basic], ""), Err("invalid_request"));
        assert_eq!(outcome(&["Bearer x"], "client_id=a"), Err("invalid_client"));
        assert_eq!(outcome(&["Basic !"], "client_id=a"), Err("invalid_client"));
        assert_eq!(outcome(&["Basic"], "client_id=a"), Err("invalid_client"));
        assert_eq!(outcome(&[], "client_secret=s"), Err("invalid_client"));
    }
}
