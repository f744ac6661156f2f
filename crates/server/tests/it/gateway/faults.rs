//! Faults of ours, and what must not come out even then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aipassport::clock::{Clock, StoppedClock};
use aipassport_domain::time::Timestamp;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::{chat, put_before, streamed_chat},
    ledger::eventually,
    logs::Logs,
    provider::{Step, TestProvider, completion, delta, json_answer, last_chunk, stream_head, usage_and_done},
};

/// A clock that panics, once, when it is next asked after it was armed.
struct TreacherousClock {
    clock: Arc<StoppedClock>,
    is_armed: Arc<AtomicBool>,
}

impl Clock for TreacherousClock {
    fn now(&self) -> Timestamp {
        assert!(!self.is_armed.swap(false, Ordering::SeqCst), "the clock was armed");
        self.clock.now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_182_a_panic_in_a_call_is_a_500_and_settles_it() {
    let provider = TestProvider::start().await;
    let is_armed = Arc::new(AtomicBool::new(false));
    let armed = Arc::clone(&is_armed);
    let broker = TestBroker::start_by(
        |config| put_before(config, &provider),
        move |clock| Arc::new(TreacherousClock { clock, is_armed: armed }),
    )
    .await;
    let broker = Arc::new(broker);

    // The watcher may be the one to run into the clock; then the call is fine, and the next is not.
    eventually(async || {
        let grant = Arc::new(broker.granted().await);
        let sent_before = provider.received().len();
        let gate = Arc::new(Semaphore::new(0));
        provider.then([
            Step::Wait(Arc::clone(&gate)),
            Step::Send(json_answer(200, &completion(1, 1))),
        ]);
        let calling = tokio::spawn({
            let (broker, grant) = (Arc::clone(&broker), Arc::clone(&grant));
            async move { broker.chat(&grant, &chat(5)).await }
        });
        eventually(async || provider.received().len() > sent_before).await;
        is_armed.store(true, Ordering::SeqCst);
        gate.add_permits(1);
        let answer = calling.await.unwrap();

        is_armed.store(false, Ordering::SeqCst);
        assert!([200, 500].contains(&answer.status));
        broker.only_settled(&grant).await;
        assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200, "others are served");
        answer.status == 500 && answer.json()["error"].is_object()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_141_with_the_store_away_nothing_is_sent() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (used, fresh) = (broker.granted().await, broker.granted().await);
    assert_eq!(broker.chat(&used, &chat(5)).await.status, 200);
    broker.settled().await;

    broker.app.store.close().await;

    for grant in [&used, &fresh] {
        let refused = broker.chat(grant, &chat(5)).await;
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, "1"),
            "{}",
            refused.text()
        );
        assert!(refused.json()["error"].is_object());
    }
    let passport = broker.get("/passport/self", &[("authorization", &used.bearer())]).await;
    assert_eq!(passport.status, 503);
    assert_eq!(provider.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_174_logs_hold_whole_lines_and_nothing_that_was_said_or_secret() {
    let logs = Logs::of_everything();
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        config.upstreams.answer_timeout = Duration::from_millis(200);
    })
    .await;
    let grant = broker.granted().await;
    let secret_prompt = "prompt-canary-91ab";
    let ask = |mut body: Value| {
        body["messages"][0]["content"] = json!(secret_prompt);
        body
    };
    let evil = "gpt\n{\"level\":\"ERROR\"}\r\u{1b}[31m\u{202e}";
    let error = json!({"error": {"message": format!("answer-canary-33cd {CANARY_KEY}"), "code": "invalid_api_key"}});

    provider.then_json(200, &completion(1, 1));
    broker.chat(&grant, &ask(chat(5))).await;
    provider.then([
        stream_head(),
        delta("answer-canary-33cd"),
        usage_and_done(1, 1),
        last_chunk(),
    ]);
    broker.chat(&grant, &ask(streamed_chat(5))).await;
    provider.then([stream_head(), delta(CANARY_KEY), Step::Close]);
    broker.chat(&grant, &ask(streamed_chat(5))).await;
    provider.then_json(401, &error);
    broker.chat(&grant, &ask(chat(5))).await;
    provider.then([Step::Hang]);
    broker.chat(&grant, &ask(chat(5))).await;
    let mut unknown = ask(chat(5));
    unknown["model"] = json!(evil);
    broker.chat(&grant, &unknown).await;
    broker
        .get(
            "/openai/v1/models?key=query-canary-77ef",
            &[("authorization", &grant.bearer())],
        )
        .await;
    broker.settled().await;

    let text = logs.text();
    assert!(
        text.contains("\"call.id\"") && text.contains("completed"),
        "calls are logged"
    );
    for line in text.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "not one record: {line}");
    }
    let in_base64 = BASE64_STANDARD.encode(CANARY_KEY);
    let in_hex = CANARY_KEY
        .bytes()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let secrets = [
        CANARY_KEY,
        &grant.token,
        secret_prompt,
        "answer-canary-33cd",
        "query-canary-77ef",
        &in_base64,
        &in_hex,
    ];
    for secret in secrets {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} is in {line:?}");
    }
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
}
