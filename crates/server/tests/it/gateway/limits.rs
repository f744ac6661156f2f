//! Limits over HTTP: exact under any race, and refusals that say what would let the call pass.

use std::sync::Arc;

use aipassport_domain::{
    audit::Happened,
    limits::Limits,
    money::Money,
    time::{Period, Timestamp},
};
use aipassport_store::LimitsOf;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::{
    TestBroker,
    grant::{TestGrant, chat},
    provider::{Step, TestProvider, completion, json_answer},
};

/// Sends the same chat so many times at once and returns how many were admitted.
async fn admitted_of(broker: &Arc<TestBroker>, grant: &Arc<TestGrant>, calls: usize) -> usize {
    let mut sending = JoinSet::new();
    for _ in 0..calls {
        let (broker, grant) = (Arc::clone(broker), Arc::clone(grant));
        sending.spawn(async move { broker.chat(&grant, &chat(100)).await.status });
    }
    let statuses = sending.join_all().await;
    assert!(
        statuses.iter().all(|status| [200, 402, 429].contains(status)),
        "{statuses:?}"
    );
    statuses.into_iter().filter(|status| *status == 200).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_134_of_calls_that_race_for_the_last_money_no_more_pass_than_it_pays_for() {
    let provider = TestProvider::start().await;
    let broker = Arc::new(TestBroker::before(&provider).await);
    let probe = broker.granted().await;
    provider.then_json(200, &completion(0, 0));
    broker.chat(&probe, &chat(100)).await;
    let hold = broker.only_held(&probe).await;

    // Each call ends at its whole hold, so that nothing is given back for another.
    let budget = Money::from_nanos(hold.nanos() * 5 + hold.nanos() / 2);
    let grant = broker
        .granted_with(|access| {
            access.limits = Limits {
                budget: [(None, budget)].into(),
                ..Limits::default()
            };
        })
        .await;
    for _ in 0..64 {
        provider.then_json(200, &completion(900_000_000, 900_000_000));
    }
    let admitted = admitted_of(&broker, &Arc::new(grant), 64).await;

    assert_eq!(admitted, 5);
    assert_eq!(provider.received().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_145_a_request_cap_is_never_exceeded() {
    let provider = TestProvider::start().await;
    let broker = Arc::new(TestBroker::before(&provider).await);
    let grant = broker
        .granted_with(|access| access.limits.requests = [(None, 7)].into())
        .await;

    assert_eq!(admitted_of(&broker, &Arc::new(grant), 40).await, 7);
    assert_eq!(provider.received().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_145_a_rate_is_never_exceeded_and_waiting_as_told_helps() {
    let provider = TestProvider::start().await;
    let broker = Arc::new(TestBroker::before(&provider).await);
    let grant = Arc::new(
        broker
            .granted_with(|access| access.limits.rate = [(Period::MINUTE, 7)].into())
            .await,
    );
    assert_eq!(admitted_of(&broker, &grant, 40).await, 7);

    let refused = broker.chat(&grant, &chat(100)).await;
    assert_eq!(
        (refused.status, refused.json()["aipassport"]["rule"].as_str()),
        (429, Some("rate"))
    );
    let wait: i64 = refused.header("retry-after").parse().unwrap();

    broker.clock.advance_seconds(wait - 1);
    let too_soon = broker.chat(&grant, &chat(100)).await.status;
    broker.clock.advance_seconds(1);
    assert_eq!((too_soon, broker.chat(&grant, &chat(100)).await.status), (429, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_are_limited_and_a_place_is_free_when_one_ends() {
    let provider = TestProvider::start().await;
    let broker = Arc::new(TestBroker::before(&provider).await);
    let grant = Arc::new(broker.granted_with(|access| access.limits.concurrency = Some(1)).await);
    let gate = Arc::new(Semaphore::new(0));
    provider.then([
        Step::Wait(Arc::clone(&gate)),
        Step::Send(json_answer(200, &completion(1, 1))),
    ]);

    let first = tokio::spawn({
        let (broker, grant) = (Arc::clone(&broker), Arc::clone(&grant));
        async move { broker.chat(&grant, &chat(100)).await.status }
    });
    crate::support::ledger::eventually(async || provider.received().len() == 1).await;
    let second = broker.chat(&grant, &chat(100)).await;
    gate.add_permits(1);

    assert_eq!((second.status, second.header("retry-after")), (429, "1"));
    assert_eq!(second.json()["aipassport"]["rule"], "concurrency");
    assert_eq!(first.await.unwrap(), 200);
    broker.settled().await;
    assert_eq!(broker.chat(&grant, &chat(100)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_money_says_where_the_limit_stands_and_who_can_raise_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker
        .granted_with(|access| {
            access.limits.budget = [(Some(Period::MONTH), Money::from_nanos(1_000))].into();
        })
        .await;

    let refused = broker.chat(&grant, &chat(100)).await;

    assert_eq!((refused.status, refused.header("retry-after")), (402, ""));
    let stands = &refused.json()["aipassport"];
    assert_eq!(stands["rule"], "budget");
    assert_eq!(
        (&stands["limit"], &stands["used"]),
        (&"0.000001".into(), &"0.00".into())
    );
    assert_eq!(stands["reserved"], "0.00");
    assert_eq!(stands["raise_url"], broker.url(&format!("/apps/{}", grant.id())));
    let resets_at: Timestamp = stands["resets_at"]
        .as_str()
        .unwrap_or("1970-01-01T00:00:00Z")
        .parse()
        .unwrap();
    assert!(resets_at > broker.app.clock.now(), "{stands}");
    assert!(provider.received().is_empty());
}

/// What one app of a user cannot tell, another could be watched by.
#[tokio::test(flavor = "multi_thread")]
async fn threat_146_a_limit_that_a_users_apps_share_is_named_without_amounts_and_raised_for_the_next_try() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let of = LimitsOf::User(grant.grant.user_id.clone());
    let limit_to = async |nanos| {
        let limits = Limits {
            budget: [(None, Money::from_nanos(nanos))].into(),
            ..Limits::default()
        };
        let changed = Happened::LimitsChanged {
            level: of.level(),
            client_id: None,
            limits: serde_json::to_value(&limits).unwrap(),
        };
        let event = broker.grant_event(&grant, changed);
        assert!(broker.app.store.set_limits(&of, &limits, &event).await.unwrap());
    };

    limit_to(1_234).await;
    let refused = broker.chat(&grant, &chat(100)).await;
    let headers = [("authorization", grant.bearer())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let passport = broker.get("/passport/self", &headers).await;
    limit_to(1_000_000_000).await;
    provider.then_json(200, &completion(1, 1));
    let raised = broker.chat(&grant, &chat(100)).await;

    assert_eq!((refused.status, raised.status), (402, 200));
    let stands = &refused.json()["aipassport"];
    assert_eq!((&stands["rule"], &stands["level"]), (&"budget".into(), &"user".into()));
    assert!(stands["limit"].is_null() && stands["used"].is_null(), "{stands}");
    let shown = passport.json()["limits"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        shown,
        serde_json::json!({"rule": "budget", "level": "user", "currency": "USD"})
    );
    for text in [refused.text(), passport.text()] {
        assert!(!text.contains("0.000001234"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_outside_the_providers_paths_says_the_same_in_plain_json() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker
        .granted_with(|access| access.limits.budget = [(None, Money::from_nanos(1_000))].into())
        .await;

    let bearer = grant.bearer();
    let refused = broker
        .post_json("/proxy/chat", &[("authorization", &bearer)], &chat(100))
        .await;

    assert_eq!(refused.status, 402, "{}", refused.text());
    let refused = refused.json();
    assert_eq!(
        (&refused["code"], &refused["aipassport"]["rule"]),
        (&"budget".into(), &"budget".into())
    );
    assert!(refused["error"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_say_how_much_of_the_rate_is_left() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker
        .granted_with(|access| access.limits.rate = [(Period::MINUTE, 7), (Period::HOUR, 100)].into())
        .await;

    let answer = broker.chat(&grant, &chat(100)).await;

    assert_eq!(answer.header("ratelimit-policy"), r#""rate";q=7;w=60"#);
    assert!(
        answer.header("ratelimit").starts_with(r#""rate";r=6;t="#),
        "{}",
        answer.header("ratelimit")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_137_a_model_without_a_price_is_refused_not_free() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker
        .granted_with(|access| {
            access.models = aipassport_domain::authorization_details::Choice::of([
                aipassport_domain::authorization_details::ModelPattern::Prefix {
                    prefix: "gpt-".to_owned(),
                },
            ]);
        })
        .await;
    let mut body = chat(5);
    body["model"] = "gpt-99-unheard-of".into();

    let refused = broker.chat(&grant, &body).await;

    assert_eq!(
        (refused.status, refused.json()["aipassport"]["rule"].as_str()),
        (403, Some("price_unknown"))
    );
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_are_counted_by_rule_for_the_user_to_see() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let mut dearer = chat(5);
    dearer["model"] = "gpt-4o".into();

    for _ in 0..3 {
        broker.chat(&grant, &dearer).await;
    }
    broker
        .get("/openai/v1/organization/costs", &[("authorization", &grant.bearer())])
        .await;

    let (tenant_id, since) = (&broker.app.tenant_id, broker.app.clock.now());
    let counted = async || {
        let refusals = broker
            .app
            .store
            .refusals_of(tenant_id, grant.id(), since, 10)
            .await
            .unwrap();
        let counts = refusals
            .into_iter()
            .map(|refusal| (refusal.rule, refusal.model, refusal.count));
        counts.collect::<Vec<_>>()
    };
    let expected = [
        ("model".to_owned(), "gpt-4o".to_owned(), 3),
        ("path".to_owned(), String::new(), 1),
    ];
    crate::support::ledger::eventually(async || counted().await == expected).await;
    assert!(provider.received().is_empty());
}
