use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use axum::{
    Form, Json, Router,
    body::{Body, to_bytes},
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use url::Url;

use super::*;

const APP: &str = "http://localhost:4000";

/// Just enough of a broker: one code, numbered tokens, one answer.
#[derive(Clone, Default)]
struct Broker {
    url: String,
    is_revoked: Arc<AtomicBool>,
    /// Access tokens before this one are not good.
    first_good_token: Arc<AtomicU64>,
    tokens_given: Arc<AtomicU64>,
}

impl Broker {
    async fn start(tasks: &TaskTracker) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let routes = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/oauth/token", post(tokens))
            .route("/passport/self", get(passport))
            .route("/openai/v1/chat/completions", post(chat))
            .with_state(broker.clone());
        tasks.spawn(async move { axum::serve(listener, routes).await });
        broker
    }

    fn refuses(&self, headers: &HeaderMap) -> Option<Response> {
        let token = headers[header::AUTHORIZATION].to_str().unwrap();
        let number: u64 = token.strip_prefix("Bearer at-").unwrap().parse().unwrap();
        if self.is_revoked.load(Ordering::SeqCst) {
            return Some(refusal("grant_revoked"));
        }
        let is_old = number < self.first_good_token.load(Ordering::SeqCst);
        is_old.then(|| refusal("credential"))
    }
}

fn refusal(rule: &str) -> Response {
    let body = json!({"error": {"message": "no"}, "aipassport": {"rule": rule, "raise_url": "http://broker/apps/1"}});
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

async fn metadata(State(broker): State<Broker>) -> Json<Value> {
    let url = &broker.url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/oauth/authorize"),
        "token_endpoint": format!("{url}/oauth/token"),
    }))
}

async fn tokens(State(broker): State<Broker>, Form(form): Form<Vec<(String, String)>>) -> Response {
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let is_good = match field("grant_type") {
        Some("authorization_code") => {
            field("code") == Some("the-code")
                && field("redirect_uri") == Some("http://localhost:4000/connected")
                && field("code_verifier").is_some_and(|verifier| verifier.len() == 43)
        }
        Some("refresh_token") => field("refresh_token") == Some("rt") && !broker.is_revoked.load(Ordering::SeqCst),
        _ => false,
    };
    if !is_good || field("client_id") != Some("jotter") {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let number = broker.tokens_given.fetch_add(1, Ordering::SeqCst);
    Json(json!({"access_token": format!("at-{number}"), "refresh_token": "rt", "expires_in": 600})).into_response()
}

async fn passport(State(broker): State<Broker>, headers: HeaderMap) -> Response {
    let limit = json!({"rule": "budget", "limit": "5.00", "left": "4.50", "reserved": "0.00", "window": "P1M"});
    let passport = Json(json!({"limits": [limit]})).into_response();
    broker.refuses(&headers).unwrap_or(passport)
}

async fn chat(State(broker): State<Broker>, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = broker.refuses(&headers) {
        return refusal;
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["stream"], &body["model"]), (&json!(true), &json!("gpt-4o-mini")));
    let part = |text: &str| format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]}));
    let mut answer = part("Three ") + &part("<things>.");
    let breaks_off = body["messages"][0]["content"].as_str().unwrap().contains("break off");
    answer.push_str(if breaks_off { "" } else { "data: [DONE]\n\n" });
    ([(header::CONTENT_TYPE, "text/event-stream")], answer).into_response()
}

/// A browser with the app open.
struct Browser {
    app: Router,
    broker: Broker,
    cookie: String,
    _tasks: TaskTracker,
}

impl Browser {
    async fn open() -> Self {
        let tasks = TaskTracker::new();
        let broker = Broker::start(&tasks).await;
        let app = app::routes(SampleAppOptions {
            public_url: APP.to_owned(),
            broker_url: broker.url.clone(),
            client_id: "jotter".to_owned(),
            client_secret: None,
            provider: Provider::OpenAi,
            model: "gpt-4o-mini".to_owned(),
            is_sandbox: true,
        })
        .unwrap();
        let mut browser = Self {
            app,
            broker,
            cookie: String::new(),
            _tasks: tasks,
        };
        let first = browser.send(Request::get("/")).await;
        let cookie = first.headers()[header::SET_COOKIE].to_str().unwrap();
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        browser
    }

    async fn send(&self, request: http::request::Builder) -> Response {
        self.send_with(request, "").await
    }

    async fn send_with(&self, request: http::request::Builder, body: &str) -> Response {
        let request = request
            .header(header::HOST, "localhost:4000")
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn page(&self) -> String {
        text(self.send(Request::get("/")).await).await
    }

    /// Where the broker is asked, and the `state` that goes with it.
    async fn ask_to_connect(&self) -> (Url, String) {
        let redirect = self.send(Request::get("/connect")).await;
        let url = Url::parse(redirect.headers()[header::LOCATION].to_str().unwrap()).unwrap();
        let state = parameter(&url, "state");
        (url, state)
    }

    async fn come_back(&self, query: &str) -> String {
        let response = self.send(Request::get(format!("/connected?{query}"))).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        self.page().await
    }

    async fn connect(&self) -> String {
        let (_, state) = self.ask_to_connect().await;
        let issuer = &self.broker.url;
        self.come_back(&format!("code=the-code&state={state}&iss={issuer}"))
            .await
    }

    async fn stream(&self, note: &str) -> String {
        let request = Request::post("/summarise").header(header::ACCEPT, "text/event-stream");
        text(self.send_with(request, &format!("note={note}&pace=slow")).await).await
    }
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1024 * 1024).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

#[tokio::test]
async fn connecting_asks_as_the_standards_say_and_ends_connected() {
    let browser = Browser::open().await;
    assert!(browser.page().await.contains("Connect your AI"));

    let (url, _) = browser.ask_to_connect().await;
    assert_eq!(url.path(), "/oauth/authorize");
    assert_eq!(parameter(&url, "code_challenge_method"), "S256");
    assert_eq!(parameter(&url, "redirect_uri"), "http://localhost:4000/connected");
    let details: Value = serde_json::from_str(&parameter(&url, "authorization_details")).unwrap();
    assert_eq!(
        (&details[0]["type"], &details[0]["provider"]),
        (&json!("ai_access"), &json!("openai"))
    );

    let page = browser.connect().await;
    assert!(page.contains("Your OpenAI account is connected."));
    assert!(page.contains("$4.50 of $5.00 left this month"));
    assert!(!page.contains("at-0"), "a token has reached the browser");
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_connects_nothing() {
    let browser = Browser::open().await;
    let issuer = browser.broker.url.clone();

    let (_, state) = browser.ask_to_connect().await;
    for query in [
        format!("code=the-code&state=other&iss={issuer}"),
        format!("code=the-code&state={state}&iss={issuer}"),
        "code=the-code".to_owned(),
    ] {
        assert!(
            browser.come_back(&query).await.contains("not the answer to a question"),
            "{query}"
        );
    }
    let (_, state) = browser.ask_to_connect().await;
    let mixed_up = format!("code=the-code&state={state}&iss=http://other");
    assert!(
        browser
            .come_back(&mixed_up)
            .await
            .contains("not the answer to a question")
    );

    let (_, state) = browser.ask_to_connect().await;
    let denied = format!("error=access_denied&state={state}&iss={issuer}");
    assert!(browser.come_back(&denied).await.contains("You said no"));
}

#[tokio::test]
async fn an_answer_streams_and_also_comes_without_a_script() {
    let browser = Browser::open().await;
    browser.connect().await;

    let events = browser.stream("Hello").await;
    let page = text(browser.send_with(Request::post("/summarise"), "note=Hello").await).await;

    assert_eq!(
        events,
        "data: {\"text\":\"Three \"}\n\ndata: {\"text\":\"<things>.\"}\n\ndata: {\"done\":true}\n\n"
    );
    assert!(page.contains("Three &#60;things&#62;."));
}

#[tokio::test]
async fn a_token_that_has_run_out_is_refreshed_and_the_call_repeated() {
    let browser = Browser::open().await;
    browser.connect().await;
    browser.broker.first_good_token.store(1, Ordering::SeqCst);

    let events = browser.stream("Hello").await;

    assert!(events.ends_with("data: {\"done\":true}\n\n"), "{events}");
    assert_eq!(browser.broker.tokens_given.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_stop_is_shown_and_ends_the_connection() {
    let browser = Browser::open().await;
    browser.connect().await;
    let broken_off = browser.stream("break off").await;
    assert!(broken_off.contains("The answer broke off"));

    browser.broker.is_revoked.store(true, Ordering::SeqCst);
    let refused = browser.stream("Hello").await;
    let again = browser.stream("Hello").await;

    assert!(refused.contains("You stopped this app in AIPassport."), "{refused}");
    assert_eq!(again, refused);
    assert!(browser.page().await.contains("Connect your AI"));
}

#[tokio::test]
async fn only_its_own_forms_and_its_own_address_count() {
    let browser = Browser::open().await;

    let foreign = Request::post("/disconnect").header(header::ORIGIN, "http://evil.example");
    assert_eq!(browser.send(foreign).await.status(), StatusCode::FORBIDDEN);
    let request = Request::get("/")
        .header(header::HOST, "127.0.0.1:4000")
        .body(Body::empty())
        .unwrap();
    let elsewhere = browser.app.clone().oneshot(request).await.unwrap();
    assert_eq!(elsewhere.headers()[header::LOCATION], "http://localhost:4000/");
    assert!(elsewhere.headers().contains_key(header::CONTENT_SECURITY_POLICY));
}
