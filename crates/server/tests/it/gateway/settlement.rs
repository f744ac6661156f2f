//! Every way out of a call settles it, once, at what it can have cost.

use std::{sync::Arc, time::Duration};

use aipassport_domain::{audit::CallOutcome, money::Money, usage::TruthLabel};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Semaphore};

use crate::support::{
    TestBroker,
    grant::{TestGrant, chat, streamed_chat},
    ledger::{Settled, eventually},
    provider::{Step, TestProvider, chunk, completion, delta, last_chunk, stream_head, usage_and_done},
};

/// Sends a streamed chat and reads as many deltas of it, then hangs up.
async fn read_and_hang_up(broker: &TestBroker, grant: &TestGrant, deltas: usize) {
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let request = broker.request(
        "POST",
        "/openai/v1/chat/completions",
        &headers,
        streamed_chat(10_000).to_string().into(),
    );
    let mut body = broker.open(request).await.into_body();
    let mut read = String::new();
    while read.matches("data: ").count() < deltas {
        let frame = body.frame().await.unwrap().unwrap();
        read.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_settled_at_what_the_provider_reported_and_the_answer_says_so() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    provider.then_json(200, &completion(1_000, 500));

    let answer = broker.chat(&grant, &chat(600)).await;

    let Settled { cost, label, outcome } = broker.only_settled(&grant).await;
    assert_eq!((label, outcome), (TruthLabel::Reported, CallOutcome::Completed));
    // 1,000 at $0.15 and 500 at $0.60 the million.
    assert_eq!(cost.to_string(), "0.00045");
    assert_eq!(answer.header("aipassport-cost"), "0.00045");
    assert_eq!(answer.header("aipassport-budget-remaining"), "4.99955");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_settled_at_the_usage_in_its_last_event() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    provider.then([stream_head(), delta("Hello"), usage_and_done(1_000, 500), last_chunk()]);

    let answer = broker.chat(&grant, &streamed_chat(600)).await;

    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.label, settled.outcome),
        (TruthLabel::Reported, CallOutcome::Completed)
    );
    assert_eq!(settled.cost.to_string(), "0.00045");
    assert_eq!(answer.header("aipassport-cost"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_139_a_client_that_hangs_up_at_any_event_pays_no_more_than_was_held() {
    for deltas in 0..4 {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        let mut script = vec![stream_head()];
        script.extend((0..deltas).map(|_| delta("word ")));
        provider.then(script.into_iter().chain([Step::Hang]));

        read_and_hang_up(&broker, &grant, deltas).await;

        eventually(async || provider.hang_ups() == 1).await;
        let settled = broker.only_settled(&grant).await;
        assert_eq!(settled.outcome, CallOutcome::ClientGone, "{deltas}");
        assert!(settled.cost > Money::ZERO && settled.cost <= broker.only_held(&grant).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_139_a_client_that_hangs_up_before_the_answer_pays_what_it_held() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    provider.then([Step::Hang]);
    let body = chat(100).to_string();
    let request = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        grant.bearer(),
        body.len()
    );

    let mut client = TcpStream::connect(broker.address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    eventually(async || provider.received().len() == 1).await;
    drop(client);

    eventually(async || provider.hang_ups() == 1).await;
    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.label, settled.outcome),
        (TruthLabel::WorstCase, CallOutcome::ClientGone)
    );
    assert_eq!(settled.cost, broker.only_held(&grant).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_139_a_client_that_hangs_up_between_content_and_usage_pays_an_estimate() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let gate = Arc::new(Semaphore::new(0));
    provider.then([
        stream_head(),
        delta("Hello"),
        Step::Wait(gate),
        usage_and_done(10, 1),
        last_chunk(),
    ]);

    read_and_hang_up(&broker, &grant, 1).await;

    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.label, settled.outcome),
        (TruthLabel::Estimated, CallOutcome::ClientGone)
    );
    assert_eq!(provider.hang_ups(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_by_the_provider_ends_with_an_error_event_and_is_settled() {
    for cut in [Step::Close, Step::Reset] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        provider.then([stream_head(), delta("Hel"), cut]);

        let answer = broker.chat(&grant, &streamed_chat(100)).await;

        let events: Vec<_> = answer.text().split("\n\n").map(str::to_owned).collect();
        let last = events.iter().rfind(|event| !event.trim().is_empty()).unwrap();
        assert!(last.contains("\"error\""), "{}", answer.text());
        assert!(answer.text().contains("aipassport"));
        let settled = broker.only_settled(&grant).await;
        assert_eq!(settled.outcome, CallOutcome::UpstreamFailed);
        assert!(settled.cost > Money::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_cut_in_the_middle_does_not_swallow_the_error_after_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    provider.then([stream_head(), chunk("data: {\"id\":\"chatcmpl-1\",\"cho"), Step::Close]);

    let answer = broker.chat(&grant, &streamed_chat(100)).await;

    let last = answer
        .text()
        .split("\n\n")
        .filter(|event| !event.trim().is_empty())
        .last()
        .unwrap()
        .to_owned();
    let data = last.trim().strip_prefix("data: ").unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(data).unwrap()["error"].is_object(),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_providers_costs_nothing_and_keeps_its_status() {
    for status in [400, 404, 422, 429, 500, 503, 529] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        let error = json!({"error": {"message": "no", "type": "some_error", "param": null, "code": null}});
        provider.then_json(status, &error);

        let answer = broker.chat(&grant, &chat(100)).await;

        assert_eq!((answer.status, answer.json()), (status, error));
        let settled = broker.only_settled(&grant).await;
        assert_eq!((settled.cost, settled.outcome), (Money::ZERO, CallOutcome::Refused));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_be_reached_costs_nothing() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        // Nothing listens there.
        config.upstreams.base_urls = vec![("openai".to_owned(), "http://127.0.0.1:1".to_owned())];
        config.upstreams.allow = vec!["127.0.0.1:1".to_owned()];
    })
    .await;
    let grant = broker.granted().await;

    let answer = broker.chat(&grant, &chat(100)).await;

    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(answer.json()["aipassport"]["retryable"], true);
    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.cost, settled.outcome),
        (Money::ZERO, CallOutcome::UpstreamFailed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_under_a_request_costs_what_was_held() {
    for step in [Step::Close, Step::Reset] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        provider.then([step]);

        let answer = broker.chat(&grant, &chat(100)).await;

        assert_eq!(answer.status, 502);
        let settled = broker.only_settled(&grant).await;
        assert_eq!(
            (settled.label, settled.outcome),
            (TruthLabel::WorstCase, CallOutcome::UpstreamFailed)
        );
        assert_eq!(provider.received().len(), 1, "it was not sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_177_a_provider_that_hangs_runs_into_a_deadline_and_its_place_is_free_again() {
    let before_the_head = vec![Step::Hang];
    let within_the_head = vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec()), Step::Hang];
    for script in [before_the_head, within_the_head] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before_with(&provider, |config| {
            config.upstreams.answer_timeout = Duration::from_millis(200);
        })
        .await;
        let grant = broker.granted_with(|access| access.limits.concurrency = Some(1)).await;
        provider.then(script);

        let answer = broker.chat(&grant, &chat(100)).await;

        assert_eq!(answer.status, 504, "{}", answer.text());
        let settled = broker.only_settled(&grant).await;
        assert_eq!(
            (settled.label, settled.outcome),
            (TruthLabel::WorstCase, CallOutcome::TimedOut)
        );
        assert_eq!(broker.chat(&grant, &chat(100)).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_177_a_stream_that_no_longer_moves_is_ended() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        config.upstreams.idle_timeout = Duration::from_millis(200);
    })
    .await;
    let grant = broker.granted().await;
    provider.then([stream_head(), delta("Hel"), Step::Hang]);

    let answer = broker.chat(&grant, &streamed_chat(100)).await;

    assert!(
        answer.text().contains("Hel") && answer.text().contains("\"error\""),
        "{}",
        answer.text()
    );
    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::TimedOut);
    assert_eq!(provider.hang_ups(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_177_a_short_answer_that_breaks_off_is_a_timeout() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        config.upstreams.idle_timeout = Duration::from_millis(200);
    })
    .await;
    let grant = broker.granted().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    provider.then([Step::Send(head.as_bytes().to_vec()), Step::Hang]);

    let answer = broker.chat(&grant, &chat(100)).await;

    assert_eq!(answer.status, 504);
    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::TimedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_177_a_stream_that_drips_for_ever_is_ended_at_its_total_time() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        config.upstreams.total_timeout = Duration::from_millis(300);
    })
    .await;
    let grant = broker.granted().await;
    let gate = Arc::new(Semaphore::new(0));
    let drip = [delta("drip "), Step::Wait(Arc::clone(&gate))];
    provider.then([stream_head()].into_iter().chain(drip.into_iter().cycle().take(400)));

    let dripping = tokio::spawn(async move {
        loop {
            gate.add_permits(1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let answer = broker.chat(&grant, &streamed_chat(100)).await;
    dripping.abort();

    assert!(answer.text().contains("drip") && answer.text().contains("\"error\""));
    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::TimedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_125_a_client_that_reads_nothing_holds_no_place_for_ever() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        config.upstreams.idle_timeout = Duration::from_millis(300);
    })
    .await;
    let grant = broker.granted().await;
    let flood = delta(&"x".repeat(64 * 1024));
    provider.then([stream_head()].into_iter().chain(std::iter::repeat_n(flood, 1_000)));
    let body = streamed_chat(100).to_string();
    let request = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        grant.bearer(),
        body.len()
    );

    let mut client = TcpStream::connect(broker.address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();

    // The client never reads; its call ends all the same.
    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::TimedOut);
    eventually(async || provider.hang_ups() == 1).await;
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_136_the_output_cap_that_was_paid_for_is_in_the_forwarded_request() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker
        .granted_with(|access| {
            access.limits.output_tokens_per_request = Some(50);
        })
        .await;
    let mut without_cap = chat(0);
    without_cap.as_object_mut().unwrap().remove("max_tokens");

    broker.chat(&grant, &chat(20)).await;
    broker.chat(&grant, &chat(80)).await;
    broker.chat(&grant, &without_cap).await;

    let caps: Vec<_> = provider
        .received()
        .iter()
        .map(|request| {
            let body = request.json();
            body.get("max_completion_tokens")
                .or(body.get("max_tokens"))
                .cloned()
                .unwrap()
        })
        .collect();
    assert_eq!(caps, [20, 50, 50]);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_130_a_stream_without_usage_or_end_is_charged_at_an_estimate() {
    for (name, script) in [
        (
            "no usage",
            vec![delta("Hello"), chunk("data: [DONE]\n\n"), last_chunk()],
        ),
        ("no end", vec![delta("Hello"), last_chunk()]),
        (
            "garbage",
            vec![delta("Hello"), chunk("data: {not json\n\n"), last_chunk()],
        ),
        ("nothing", vec![last_chunk()]),
    ] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        provider.then([stream_head()].into_iter().chain(script));

        let answer = broker.chat(&grant, &streamed_chat(100)).await;

        assert_eq!(answer.status, 200, "{name}");
        let settled = broker.only_settled(&grant).await;
        assert_ne!(settled.label, TruthLabel::Reported, "{name}");
        assert!(
            settled.cost > Money::ZERO && settled.cost <= broker.only_held(&grant).await,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_130_a_provider_that_reports_more_than_can_be_is_paid_no_more_than_was_held() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    provider.then_json(200, &completion(900_000_000, 900_000_000));

    broker.chat(&grant, &chat(10)).await;

    assert_eq!(broker.only_settled(&grant).await.cost, broker.only_held(&grant).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_provider_are_used_again_after_a_clean_end_and_only_then() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    for _ in 0..3 {
        provider.then([stream_head(), delta("Hi"), usage_and_done(1, 1), last_chunk()]);
        broker.chat(&grant, &streamed_chat(10)).await;
        broker.chat(&grant, &chat(10)).await;
    }
    assert_eq!(provider.connections(), 1);

    provider.then([Step::Close]);
    assert_eq!(broker.chat(&grant, &chat(10)).await.status, 502);
    assert_eq!(broker.chat(&grant, &chat(10)).await.status, 200);
    assert_eq!(provider.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_provider_closed_while_idle_is_not_used() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let answer = crate::support::provider::json_answer(200, &completion(1, 1));
    provider.then([Step::Send(answer), Step::Close]);

    assert_eq!(broker.chat(&grant, &chat(10)).await.status, 200);
    // The close has to arrive; it is on loopback, and the call before is over.
    tokio::time::sleep(Duration::from_millis(50)).await;

    assert_eq!(broker.chat(&grant, &chat(10)).await.status, 200);
    assert_eq!(provider.connections(), 2);
}
