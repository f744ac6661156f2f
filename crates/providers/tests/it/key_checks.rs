//! Whether a key works: a free question, and what its answer says.

use aipassport_domain::audit::KeyCheck;
use aipassport_providers::adapter::{self, RouteKind};
use http::{Method, StatusCode};

#[test]
fn a_question_is_about_models_and_the_key_alone() {
    for provider in adapter::all() {
        let question = provider.key_check();

        let (path, query) = match question.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (question.path, None),
        };
        let route = provider.route(&Method::GET, path, query);
        assert_eq!(
            route.map(|route| route.kind),
            Some(RouteKind::ListModels),
            "{}",
            provider.id()
        );
        for (name, _) in question.headers {
            assert_eq!(*name, name.to_ascii_lowercase(), "{}", provider.id());
        }
    }
}

#[test]
fn only_what_is_said_of_the_key_itself_refuses_it() {
    for provider in adapter::all() {
        let verdict = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            provider.key_verdict(status, body.as_bytes())
        };

        assert_eq!(verdict(200, ""), KeyCheck::Works, "{}", provider.id());
        assert_eq!(verdict(401, "{}"), KeyCheck::Refused, "{}", provider.id());
        for status in [302, 403, 404, 429, 500, 529] {
            assert_eq!(verdict(status, "{}"), KeyCheck::Unclear, "{} {status}", provider.id());
        }
    }
}
