//! Who asks at the token, introspection and revocation endpoints (RFC 6749, section 2.3).

use aipassport_domain::{
    client::{Client, ClientAuthentication},
    ids::ClientId,
    secret::{Secret, SecretHash},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use super::{OAuthError, parameters::Parameters};
use crate::app::App;

/// What a request says about its client, before any of it is believed.
struct Presented {
    client_id: String,
    secret: Option<Secret>,
}

/// Authenticates the client by the way it is registered for: its secret, in the header or in the
/// body but not in both; or, for a public client, nothing but its name.
///
/// A client that was disabled authenticates, and may do nothing: `unauthorized_client`.
pub(super) async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Client, OAuthError> {
    let presented = presented(headers, parameters)?;
    let client_id = ClientId::new(presented.client_id);
    let client = app
        .store
        .client(&app.tenant_id, &client_id)
        .await
        .map_err(OAuthError::internal)?;

    // The same work for a client that does not exist, so that time does not tell (`security.md` 43).
    let shown = presented.secret.as_ref().map(|secret| app.vault.hash(secret.expose()));
    let is_authentic = match client.as_ref().map(|client| &client.authentication) {
        Some(ClientAuthentication::None) => shown.is_none(),
        Some(ClientAuthentication::Secret(expected)) => is_equal(shown.as_ref(), expected),
        None => is_equal(shown.as_ref(), &SecretHash(Vec::new())),
    };
    let client = client.filter(|_| is_authentic).ok_or(OAuthError::InvalidClient)?;
    if client.disabled_at.is_some() {
        return Err(OAuthError::UnauthorizedClient);
    }
    Ok(client)
}

fn is_equal(shown: Option<&SecretHash>, expected: &SecretHash) -> bool {
    shown.is_some_and(|shown| shown.0.ct_eq(&expected.0).into())
}

fn presented(headers: &HeaderMap, parameters: &Parameters) -> Result<Presented, OAuthError> {
    let in_body = parameters.get("client_secret");
    let Some((client_id, secret)) = basic(headers)? else {
        return Ok(Presented {
            client_id: parameters.get("client_id").ok_or(OAuthError::InvalidClient)?.to_owned(),
            secret: in_body.map(Secret::new),
        });
    };
    let both = in_body.is_some() || parameters.get("client_assertion").is_some();
    if both || parameters.get("client_id").is_some_and(|named| named != client_id) {
        return Err(OAuthError::InvalidRequest(
            "a client authenticates in one way, as one client".to_owned(),
        ));
    }
    Ok(Presented {
        client_id,
        secret: Some(secret),
    })
}

/// The name and secret of an `Authorization: Basic` header, each form-encoded before they were
/// joined (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(OAuthError::InvalidRequest(
            "one Authorization header at most".to_owned(),
        ));
    }
    read_basic(value.to_str().unwrap_or_default())
        .map(Some)
        .ok_or(OAuthError::InvalidClient)
}

fn read_basic(value: &str) -> Option<(String, Secret)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = BASE64_STANDARD
        .decode(encoded.trim())
        .ok()
        .map(zeroize::Zeroizing::new)?;
    let (name, secret) = std::str::from_utf8(&joined).ok()?.split_once(':')?;
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced)
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    Some((decode(name)?, Secret::new(decode(secret)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (header::AUTHORIZATION, value.parse().unwrap()))
            .collect()
    }

    fn outcome(values: &[&str], body: &str) -> Result<(String, Option<String>), &'static str> {
        let parameters = Parameters::parse(body).unwrap();
        presented(&headers(values), &parameters)
            .map(|presented| {
                let secret = presented.secret.map(|secret| secret.expose().to_owned());
                (presented.client_id, secret)
            })
            .map_err(|error| error.code())
    }

    #[test]
    fn name_and_secret_are_form_encoded_in_the_header() {
        let encoded = BASE64_STANDARD.encode("a%3Ab:s%2B+%25");
        let expected = Ok(("a:b".to_owned(), Some("s+ %".to_owned())));

        assert_eq!(outcome(&[&format!("Basic {encoded}")], ""), expected);
        assert_eq!(outcome(&[&format!("basic {encoded}")], "client_id=a%3Ab"), expected);
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
