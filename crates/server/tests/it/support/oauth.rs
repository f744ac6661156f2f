//! A client and a browser on their way from an authorization request to tokens.

use aipassport::browser_session;
use aipassport_domain::{
    audit::Happened,
    authorization_details::AiAccess,
    client::Client,
    consent,
    fixtures::access,
    ids::{AuthorizationRequestId, GrantId},
};
use aipassport_store::{BrowserSession, Decision, NewCode};
use serde_json::{Value, json};

use super::{TestBroker, TestUser, http::Answer};

/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const CALLBACK: &str = "https://notes.example/callback";
pub(crate) const STATE: &str = "af0ifjsldkj &=?";

/// What a client got from the token endpoint.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) grant_id: GrantId,
    pub(crate) answer: Value,
}

impl Tokens {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self {
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
            grant_id: GrantId::new(text("grant_id")),
            answer,
        }
    }
}

/// What every authorization request of these tests says, before one changes it.
pub(crate) fn good_request(client: &Client) -> Vec<(&'static str, String)> {
    vec![
        ("response_type", "code".to_owned()),
        ("client_id", client.id.to_string()),
        ("redirect_uri", CALLBACK.to_owned()),
        ("state", STATE.to_owned()),
        ("code_challenge", CHALLENGE.to_owned()),
        ("code_challenge_method", "S256".to_owned()),
        ("authorization_details", json!([access()]).to_string()),
    ]
}

/// The same request with one parameter changed, added, or, when `value` is empty, left out.
pub(crate) fn with(
    mut request: Vec<(&'static str, String)>,
    name: &'static str,
    value: &str,
) -> Vec<(&'static str, String)> {
    request.retain(|(other, _)| *other != name);
    if !value.is_empty() {
        request.push((name, value.to_owned()));
    }
    request
}

/// The parameters with which a client was sent its answer.
pub(crate) fn answer_parameters(answer: &Answer) -> Vec<(String, String)> {
    let location = answer.header("location");
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(location.starts_with(&format!("{CALLBACK}?")), "{location}");
    let (_, query) = location.split_once('?').unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

pub(crate) fn answer_parameter(answer: &Answer, name: &str) -> Option<String> {
    answer_parameters(answer)
        .into_iter()
        .find_map(|(found, value)| (found == name).then_some(value))
}

impl TestBroker {
    /// The cookie of a browser in which `user` is signed in.
    pub(crate) async fn browser(&self, user: &TestUser) -> String {
        let (app, now) = (&self.app, self.app.clock.now());
        let secret = app.random.secret("");
        let session = BrowserSession {
            hash: app.vault.hash(secret.expose()),
            tenant_id: app.tenant_id.clone(),
            user_id: user.id.clone(),
            started_at: now,
            last_seen_at: now,
        };
        let event = self.event(Some(&user.id), Happened::SignedIn);
        app.store.start_browser_session(&session, None, &event).await.unwrap();
        let cookie = browser_session::set_cookie(&app.config, &secret).unwrap();
        cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    /// Sends a browser to the authorization endpoint.
    pub(crate) async fn authorize(&self, cookie: &str, request: &[(&'static str, String)]) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(request)
            .finish();
        self.get(&format!("/oauth/authorize?{query}"), &[("cookie", cookie)])
            .await
    }

    /// Asks, with a signed-in browser, and returns the request that waits for its user.
    pub(crate) async fn ask(&self, cookie: &str, request: &[(&'static str, String)]) -> AuthorizationRequestId {
        let answer = self.authorize(cookie, request).await;
        let location = answer.header("location");
        let id = location.strip_prefix("/consent/").expect("a consent page is next");
        AuthorizationRequestId::new(id)
    }

    /// What the consent page does when the user allows what was asked.
    pub(crate) async fn approve(&self, request_id: &AuthorizationRequestId, user: &TestUser) {
        self.approve_as(request_id, user, &[access()]).await;
    }

    pub(crate) async fn approve_as(&self, request_id: &AuthorizationRequestId, user: &TestUser, chosen: &[AiAccess]) {
        let (app, now) = (&self.app, self.app.clock.now());
        let request = app.store.authorization_request(&app.tenant_id, request_id).await;
        let request = request.unwrap().unwrap();
        let approved = consent::approve(&request.asked, chosen, &app.config.grants, now).unwrap();
        let code = NewCode {
            hash: app.vault.hash(app.vault.authorization_code(request_id).expose()),
            expires_at: now.plus_seconds(app.config.tokens.code_seconds),
        };
        let what = Happened::GrantApproved {
            request_id: request_id.clone(),
            client_id: request.client_id,
            authorization_details: json!(approved.authorization_details),
            expires_at: approved.expires_at,
            shown_digest: None,
            revoke_when_used_up: false,
        };
        let decision = Decision {
            by: user.id.clone(),
            approved,
            shown_digest: None,
            prices: "{}".to_owned(),
        };
        let event = self.event(Some(&user.id), what);
        let won = app.store.approve_request(request_id, &decision, &code, &event).await;
        assert!(won.unwrap());
    }

    /// What the consent page does when the user says no.
    pub(crate) async fn deny(&self, request_id: &AuthorizationRequestId, user: &TestUser) {
        let request = self
            .app
            .store
            .authorization_request(&self.app.tenant_id, request_id)
            .await;
        let what = Happened::GrantDenied {
            request_id: request_id.clone(),
            client_id: request.unwrap().unwrap().client_id,
        };
        let event = self.event(Some(&user.id), what);
        let won = self.app.store.deny_request(request_id, &user.id, &event).await;
        assert!(won.unwrap());
    }

    /// Where the consent page sends the browser when it is done.
    pub(crate) async fn resume(&self, cookie: &str, request_id: &AuthorizationRequestId) -> Answer {
        let path = format!("/oauth/authorize/answer/{request_id}");
        self.get(&path, &[("cookie", cookie)]).await
    }

    /// A code that `user` has just granted.
    pub(crate) async fn code(&self, client: &Client, user: &TestUser) -> String {
        self.code_for(&good_request(client), user).await
    }

    pub(crate) async fn code_for(&self, request: &[(&'static str, String)], user: &TestUser) -> String {
        let cookie = self.browser(user).await;
        let request_id = self.ask(&cookie, request).await;
        self.approve(&request_id, user).await;
        let answer = self.resume(&cookie, &request_id).await;
        answer_parameter(&answer, "code").unwrap()
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.post_form("/oauth/token", &[], form).await
    }

    pub(crate) async fn redeem(&self, client: &Client, code: &str) -> Answer {
        self.redeem_with(client, code, &[]).await
    }

    /// Redeems a code with more parameters, which take the place of those of the same name.
    pub(crate) async fn redeem_with(&self, client: &Client, code: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", client.id.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("code", code),
        ];
        form.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
        form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        self.token(&form).await
    }

    pub(crate) async fn tokens(&self, client: &Client, user: &TestUser) -> Tokens {
        let code = self.code(client, user).await;
        Tokens::of(&self.redeem(client, &code).await)
    }

    pub(crate) async fn refresh(&self, client: &Client, refresh_token: &str) -> Answer {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", client.id.as_str()),
            ("refresh_token", refresh_token),
        ])
        .await
    }

    /// The kinds of all audit events, in order.
    pub(crate) async fn audit_kinds(&self) -> Vec<String> {
        let events = self.app.store.events(&self.app.tenant_id, 0, 1000).await.unwrap();
        events.into_iter().map(|record| record.event.what.kind()).collect()
    }

    /// The status of a grant as its user sees it.
    pub(crate) async fn grant_status(&self, grant_id: &GrantId) -> &'static str {
        let grant = self
            .app
            .store
            .grant(&self.app.tenant_id, grant_id)
            .await
            .unwrap()
            .unwrap();
        grant.status(false, self.app.clock.now()).as_str()
    }
}

/// The OAuth error code of a refusal.
pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.header("cache-control"), "no-store");
    (answer.status, error)
}
