//! Stop means stop: on the next call at once, in open streams within two seconds.

use std::{sync::Arc, time::Duration};

use aipassport_domain::{
    audit::{CallOutcome, Happened, PauseReason},
    authorization_details::{Choice, ModelPattern},
    consent::Approved,
    money::Money,
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::support::{
    TestBroker,
    grant::{TestGrant, access_to, chat, streamed_chat},
    ledger::{eventually, within_two_seconds},
    provider::{Step, TestProvider, delta, last_chunk, stream_head, usage_and_done},
};

/// A stream under way, of which the first word has arrived.
pub(super) async fn open_stream(broker: &TestBroker, provider: &TestProvider, grant: &TestGrant) -> Incoming {
    provider.then([stream_head(), delta("Hel"), Step::Hang]);
    stream_of(broker, grant).await
}

async fn stream_of(broker: &TestBroker, grant: &TestGrant) -> Incoming {
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = streamed_chat(10_000).to_string();
    let request = broker.request("POST", "/openai/v1/chat/completions", &headers, body.into());
    let mut body = broker.open(request).await.into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(first.data_ref().unwrap()).contains("Hel"));
    body
}

pub(super) async fn rest_of(stream: Incoming) -> String {
    let rest = within_two_seconds(stream.collect()).await.unwrap().to_bytes();
    String::from_utf8_lossy(&rest).into_owned()
}

/// Checks that `stop`, by another process, ends an open stream in time and in the right way.
async fn ends_by(stop: impl AsyncFnOnce(&TestBroker, &TestGrant), rule: &str) {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let stream = open_stream(&broker, &provider, &grant).await;

    stop(&broker, &grant).await;

    let rest = rest_of(stream).await;
    assert!(rest.contains("\"error\"") && rest.contains(rule), "{rest}");
    let settled = broker.only_settled(&grant).await;
    assert_eq!(settled.outcome, CallOutcome::Revoked);
    let held = broker.only_held(&grant).await;
    assert!(
        settled.cost > Money::ZERO && settled.cost < held,
        "the unused hold returns"
    );
    eventually(async || provider.hang_ups() == 1).await;
    let next = broker.chat(&grant, &chat(5)).await.status;
    assert!([401, 403].contains(&next), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_a_revoked_grant_ends_its_streams() {
    ends_by(async |broker, grant| broker.revoke(grant).await, "grant_revoked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_a_paused_grant_ends_its_streams() {
    let pause = async |broker: &TestBroker, grant: &TestGrant| {
        let event = broker.grant_event(
            grant,
            Happened::GrantPaused {
                reason: PauseReason::ByUser,
            },
        );
        broker.app.store.pause_grant(grant.id(), &event).await.unwrap();
    };
    ends_by(pause, "grant_paused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_an_expired_grant_ends_its_streams() {
    let expire = async |broker: &TestBroker, _: &TestGrant| broker.clock.advance_seconds(31 * 86_400);
    ends_by(expire, "grant_expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_a_removed_key_ends_its_streams() {
    let remove = async |broker: &TestBroker, grant: &TestGrant| {
        let (app, user_id) = (&broker.app, &grant.grant.user_id);
        let keys = app.store.credentials_of(&app.tenant_id, user_id).await.unwrap();
        let removed = Happened::CredentialRemoved {
            credential_id: keys[0].id.clone(),
            provider: keys[0].provider.clone(),
        };
        let event = broker.event(Some(user_id), removed);
        assert!(app.store.remove_credential(&keys[0].id, &event).await.unwrap());
    };

    ends_by(remove, "credential").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_key_finishes_what_it_began() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("alice").await;
    broker.credential(&user, "openai", None).await;
    let grant = broker.grant(&user, vec![access_to(&broker, "openai")]).await;
    let gate = Arc::new(Semaphore::new(0));
    provider.then([
        stream_head(),
        delta("Hel"),
        Step::Wait(Arc::clone(&gate)),
        usage_and_done(3, 2),
        last_chunk(),
    ]);
    let stream = stream_of(&broker, &grant).await;

    broker.credential(&user, "openai", None).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.add_permits(1);

    assert!(rest_of(stream).await.contains("[DONE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_a_disabled_client_loses_its_streams() {
    let disable = async |broker: &TestBroker, grant: &TestGrant| {
        let client_id = grant.grant.client_id.clone();
        let event = broker.grant_event(
            grant,
            Happened::ClientDisabled {
                client_id: client_id.clone(),
            },
        );
        assert!(broker.app.store.disable_client(&client_id, &event).await.unwrap());
    };
    ends_by(disable, "grant_revoked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_a_suspended_user_loses_the_streams_of_every_app() {
    let suspend = async |broker: &TestBroker, grant: &TestGrant| {
        let user_id = &grant.grant.user_id;
        let event = broker.event(Some(user_id), Happened::UserSuspended);
        assert!(broker.app.store.suspend_user(user_id, &event).await.unwrap());
    };
    ends_by(suspend, "grant_revoked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_14_a_token_of_a_suspended_user_is_dead_until_it_is_resumed() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let (store, user_id) = (&broker.app.store, &grant.grant.user_id);
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);

    let suspended = broker.event(Some(user_id), Happened::UserSuspended);
    store.suspend_user(user_id, &suspended).await.unwrap();
    for _ in 0..2 {
        assert_eq!(broker.chat(&grant, &chat(5)).await.status, 401);
    }

    let resumed = broker.event(Some(user_id), Happened::UserResumed);
    store.resume_user(user_id, &resumed).await.unwrap();
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
    assert_eq!(provider.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_144_a_grant_that_no_longer_covers_a_stream_ends_it() {
    let narrow = async |broker: &TestBroker, grant: &TestGrant| {
        let mut access = grant.grant.authorization_details[0].clone();
        access.models = Choice::of([ModelPattern::Exact("gpt-4o".to_owned())]);
        let changed = Approved {
            authorization_details: vec![access],
            expires_at: grant.grant.expires_at,
            revoke_when_used_up: false,
        };
        let event = broker.grant_event(
            grant,
            Happened::GrantChanged {
                authorization_details: serde_json::Value::Null,
                expires_at: changed.expires_at,
                revoke_when_used_up: false,
            },
        );
        broker
            .app
            .store
            .change_grant(grant.id(), &changed, &event)
            .await
            .unwrap();
    };
    ends_by(narrow, "model").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_by_this_process_is_noticed_at_once() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let stream = open_stream(&broker, &provider, &grant).await;

    broker.revoke(&grant).await;
    broker.app.gateway.grant_changed(grant.id());

    tokio::time::timeout(Duration::from_millis(300), stream.collect())
        .await
        .expect("well before the watcher's interval")
        .unwrap();
    broker.only_settled(&grant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_a_call_that_waits_for_its_answer_is_ended_too() {
    let provider = TestProvider::start().await;
    let broker = Arc::new(TestBroker::before(&provider).await);
    let grant = Arc::new(broker.granted().await);
    provider.then([Step::Hang]);
    let waiting = tokio::spawn({
        let (broker, grant) = (Arc::clone(&broker), Arc::clone(&grant));
        async move { broker.chat(&grant, &chat(5)).await }
    });
    eventually(async || provider.received().len() == 1).await;

    broker.revoke(&grant).await;

    let answer = within_two_seconds(waiting).await.unwrap();
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::Revoked);
    eventually(async || provider.hang_ups() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_a_stream_whose_client_does_not_read_is_ended_too() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let flood = delta(&"x".repeat(64 * 1024));
    provider.then([stream_head()].into_iter().chain(std::iter::repeat_n(flood, 1_000)));
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = streamed_chat(10_000).to_string();
    let request = broker.request("POST", "/openai/v1/chat/completions", &headers, body.into());
    let stream = broker.open(request).await;

    broker.revoke(&grant).await;

    within_two_seconds(eventually(async || provider.hang_ups() == 1)).await;
    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::Revoked);
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_179_with_the_store_away_no_stream_goes_on_for_long() {
    let provider = TestProvider::start().await;
    let mut broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let stream = open_stream(&broker, &provider, &grant).await;

    broker.app.store.close().await;

    let rest = tokio::time::timeout(Duration::from_secs(4), stream.collect()).await;
    let rest = rest.expect("two seconds and an interval").unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&rest).contains("\"error\""));
    eventually(async || provider.hang_ups() == 1).await;
    // Settling goes on until the broker stops; then recovery's turn has come.
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_resumed_by_another_process_admits_again() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let store = &broker.app.store;
    let paused = broker.grant_event(
        &grant,
        Happened::GrantPaused {
            reason: PauseReason::ByUser,
        },
    );
    store.pause_grant(grant.id(), &paused).await.unwrap();
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 403);

    let resumed = broker.grant_event(&grant, Happened::GrantResumed);
    store.resume_grant(grant.id(), None, &resumed).await.unwrap();

    eventually(async || broker.chat(&grant, &chat(5)).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_the_broker_lets_streams_end_and_then_ends_them() {
    let provider = TestProvider::start().await;
    let mut broker = TestBroker::before_with(&provider, |config| {
        config.requests.drain_timeout = Duration::from_millis(1_500);
    })
    .await;
    let (patient, endless) = (broker.granted().await, broker.granted().await);
    let gate = Arc::new(Semaphore::new(0));
    let endless_stream = open_stream(&broker, &provider, &endless).await;
    provider.then([
        stream_head(),
        delta("Hel"),
        Step::Wait(Arc::clone(&gate)),
        delta("lo"),
        crate::support::provider::usage_and_done(5, 2),
        crate::support::provider::last_chunk(),
    ]);
    let bearer = patient.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = streamed_chat(100).to_string();
    let request = broker.request("POST", "/openai/v1/chat/completions", &headers, body.into());
    let patient_stream = broker.open(request).await.into_body();

    let stopping = broker.stop();
    gate.add_permits(1);
    let patient_text = rest_of(patient_stream).await;
    let endless_text = rest_of(endless_stream).await;
    stopping.await;

    assert!(patient_text.ends_with("data: [DONE]\n\n"), "{patient_text}");
    assert!(endless_text.contains("\"error\""), "{endless_text}");
}
