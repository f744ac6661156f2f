//! Parameters of a query or a form body, each at most once (RFC 6749, sections 3.1 and 3.2).

use std::collections::BTreeMap;

use axum::body::Body;
use http::{HeaderMap, Request, header};
use percent_encoding::percent_decode_str;

use super::OAuthError;
use crate::{app::App, small_body};

const MOST_PARAMETERS: usize = 64;
const LARGEST_BODY: usize = 256 * 1024;

pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a query or a form body. A parameter without a value counts as left out; one that is
    /// there twice is refused, because which of the two counts would be a matter of taste.
    pub(super) fn parse(encoded: &str) -> Result<Self, OAuthError> {
        let invalid = |text: &str| OAuthError::InvalidRequest(text.to_owned());
        let mut parameters = BTreeMap::new();
        for (count, pair) in encoded.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count >= MOST_PARAMETERS {
                return Err(invalid("too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let not_utf8 = |_| invalid("parameters are percent-encoded UTF-8");
            let name = decode(name).map_err(not_utf8)?;
            let value = decode(value).map_err(not_utf8)?;
            if name.contains('\0') || value.contains('\0') {
                return Err(invalid("parameters contain no NUL"));
            }
            if parameters.insert(name, value).is_some() {
                return Err(invalid("a parameter appears twice"));
            }
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    /// Reads the body of a request; only `application/x-www-form-urlencoded`, in UTF-8.
    pub(super) async fn of_form(app: &App, request: Request<Body>) -> Result<Self, OAuthError> {
        check_content_type(request.headers())?;
        let body = small_body::read(app, request.into_body(), LARGEST_BODY)
            .await
            .map_err(|_| OAuthError::InvalidRequest("the body is too large or did not arrive".to_owned()))?;
        let body = std::str::from_utf8(&body)
            .map_err(|_| OAuthError::InvalidRequest("the body is a form in UTF-8".to_owned()))?;
        Self::parse(body)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name)
            .ok_or_else(|| OAuthError::InvalidRequest(format!("{name} is missing")))
    }
}

fn decode(text: &str) -> Result<String, std::str::Utf8Error> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
}

fn check_content_type(headers: &HeaderMap) -> Result<(), OAuthError> {
    let mut content_types = headers.get_all(header::CONTENT_TYPE).iter();
    let only = match (content_types.next(), content_types.next()) {
        (Some(only), None) => only.to_str().unwrap_or_default(),
        _ => "",
    };
    let (media_type, parameters) = only.split_once(';').unwrap_or((only, ""));
    let is_form = media_type
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let charset = parameters.trim().to_ascii_lowercase();
    if is_form && matches!(charset.as_str(), "" | "charset=utf-8" | "charset=\"utf-8\"") {
        return Ok(());
    }
    Err(OAuthError::InvalidRequest(
        "the body is application/x-www-form-urlencoded".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_50_a_parameter_that_appears_twice_is_refused() {
        for twice in ["a=1&a=2", "a=1&a=1", "a=1&%61=2", "a&a", "a=&a=1"] {
            assert!(Parameters::parse(twice).is_err(), "{twice}");
        }
    }

    #[test]
    fn an_empty_parameter_counts_as_left_out() {
        let parameters = Parameters::parse("state=&scope&client_id=a+b%2Bc&").unwrap();

        assert_eq!(parameters.get("state"), None);
        assert_eq!(parameters.get("scope"), None);
        assert_eq!(parameters.get("client_id"), Some("a b+c"));
    }

    #[test]
    fn what_is_not_text_is_refused() {
        for wrong in ["a=%ff", "%ff=a", "a=%00", &"a=1&".repeat(100)] {
            assert!(Parameters::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn threat_107_only_a_form_in_utf_8_is_read() {
        let check = |content_type: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
            check_content_type(&headers)
        };

        for right in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        ] {
            assert!(check(right).is_ok(), "{right}");
        }
        for wrong in [
            "application/json",
            "multipart/form-data; boundary=x",
            "text/plain",
            "",
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded; charset=utf-7",
            "application/x-www-form-urlencoded, application/json",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }
}
