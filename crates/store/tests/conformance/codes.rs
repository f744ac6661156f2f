//! Authorization codes: one redemption, three wrong guesses, and no mercy for a replay.

use aipassport_domain::{
    audit::{AuditEvent, Happened},
    consent::RequestState,
    fixtures::{self, NOW},
    grant::GrantState,
    ids::ClientId,
    secret::SecretHash,
};
use aipassport_store::{CodeRecord, Redemption, Rotation};

use crate::support::{World, decision, event, grant_created, hash, in_parallel, new_refresh_token, on_both_engines};

impl World {
    async fn code(&self, hash: &SecretHash) -> CodeRecord {
        self.store.code(&self.tenant, hash).await.unwrap().unwrap()
    }

    async fn fail(&self, hash: &SecretHash, client: &str) -> bool {
        self.store
            .count_code_failure(&self.tenant, hash, &ClientId::new(client), NOW)
            .await
            .unwrap()
    }

    async fn replay(&self, hash: &SecretHash) -> bool {
        let client = ClientId::new("other");
        self.store.replay_code(&self.tenant, hash, &client, NOW).await.unwrap()
    }
}

#[tokio::test]
async fn a_code_says_what_it_was_issued_for() {
    on_both_engines(async |world| {
        let (request, hash) = world.approved("one").await;

        let code = world.code(&hash).await;

        assert_eq!((&code.request_id, &code.client_id), (&request.id, &request.client_id));
        assert_eq!((&code.grant_id, code.user_id.as_str()), (&request.grant_id, "user"));
        assert_eq!(code.redirect_uri, "https://notes.example/callback");
        assert_eq!(code.approved, decision().approved);
        assert_eq!(
            (code.expires_at, code.redeemed_at, code.failures),
            (NOW.plus_seconds(60), None, 0)
        );
        let unknown = world.store.code(&world.tenant, &SecretHash(vec![1])).await.unwrap();
        assert_eq!(unknown, None);
    })
    .await;
}

#[tokio::test]
async fn redeeming_a_code_makes_the_grant_that_was_approved() {
    on_both_engines(async |world| {
        let (request, code) = world.approved("one").await;

        let Redemption::Redeemed(grant) = world.redeem(&code, "refresh").await else {
            panic!("not redeemed")
        };

        assert_eq!(grant.id, request.grant_id);
        assert_eq!(
            (grant.client_id.as_str(), grant.client_name.as_str()),
            ("notes", "Notes")
        );
        assert_eq!(grant.authorization_details, decision().approved.authorization_details);
        assert_eq!(
            (grant.created_at, grant.expires_at),
            (NOW, decision().approved.expires_at)
        );
        assert_eq!((grant.state, grant.version), (GrantState::Active, 1));
        assert_eq!(
            world.store.grant(&world.tenant, &grant.id).await.unwrap(),
            Some(grant.clone())
        );
        assert_eq!(world.code(&code).await.redeemed_at, Some(NOW));
        let request = world
            .store
            .authorization_request(&world.tenant, &request.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(request.state, RequestState::Redeemed { at: NOW });
        let token = world
            .store
            .refresh_token(&world.tenant, &hash("refresh"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (token.grant_id, token.expires_at),
            (grant.id, NOW.plus_seconds(14 * 86_400))
        );
        assert_eq!(world.times("grant_created").await, 1);
    })
    .await;
}

/// `security.md` 94: a code that is shown again, by whomever, ends all that came of it.
#[tokio::test]
async fn threat_94_a_replayed_code_revokes_grant_and_tokens() {
    on_both_engines(async |world| {
        for (name, replay_again) in [("redeemed again", false), ("seen again", true)] {
            let (_, code) = world.approved(name).await;
            let token = format!("{name}: refresh");
            let Redemption::Redeemed(grant) = world.redeem(&code, &token).await else {
                panic!("not redeemed")
            };
            let Rotation::Rotated(_) = world.rotate(&token, &format!("{token} 2"), NOW).await else {
                panic!("not rotated")
            };

            if replay_again {
                assert!(world.replay(&code).await);
            } else {
                assert_eq!(world.redeem(&code, "again").await, Redemption::Replayed);
            }

            let grant = world.store.grant(&world.tenant, &grant.id).await.unwrap().unwrap();
            assert_eq!((grant.state, grant.version), (GrantState::Revoked { at: NOW }, 2));
            assert_eq!(world.rotate(&format!("{token} 2"), "next", NOW).await, Rotation::Gone);
            // Showing it once more finds nothing left to end, and says nothing more.
            assert!(!world.replay(&code).await);
            assert_eq!(world.redeem(&code, "again").await, Redemption::Replayed);
        }
        assert_eq!(
            (world.times("code_replayed").await, world.times("grant_revoked").await),
            (2, 2)
        );
    })
    .await;
}

/// `security.md` 95: of 50 redemptions at once one wins, and the others end what it won.
#[tokio::test(flavor = "multi_thread")]
async fn threat_95_of_many_redemptions_at_once_one_wins() {
    on_both_engines(async |world| {
        let (request, code) = world.approved("one").await;

        let outcomes = in_parallel(50, |number| {
            let (store, code) = (world.store.clone(), code.clone());
            async move {
                let token = new_refresh_token(&format!("token {number}"));
                store.redeem_code(&code, Some(&token), &grant_created()).await.unwrap()
            }
        })
        .await;

        let won = |outcome: &&Redemption| matches!(outcome, Redemption::Redeemed(_));
        let replayed = |outcome: &&Redemption| matches!(outcome, Redemption::Replayed);
        assert_eq!(outcomes.iter().filter(won).count(), 1);
        assert_eq!(outcomes.iter().filter(replayed).count(), 49);
        let grant = world
            .store
            .grant(&world.tenant, &request.grant_id)
            .await
            .unwrap()
            .unwrap();
        assert!(matches!(grant.state, GrantState::Revoked { .. }));
        assert_eq!(world.times("grant_created").await, 1);
        assert_eq!(world.times("grant_revoked").await, 1);
    })
    .await;
}

/// `security.md` 96: one wrong redemption is counted and burns nothing; the third burns the code.
#[tokio::test]
async fn threat_96_a_code_survives_two_failures_and_not_the_third() {
    on_both_engines(async |world| {
        let (_, careless) = world.approved("careless").await;
        let (_, guessed) = world.approved("guessed").await;

        assert!(!world.fail(&careless, "other").await);
        assert!(!world.fail(&careless, "notes").await);
        assert!(matches!(world.redeem(&careless, "a").await, Redemption::Redeemed(_)));
        assert!(!world.fail(&careless, "notes").await);
        assert_eq!(world.code(&careless).await.failures, 2);

        for is_burnt in [false, false, true, true] {
            assert_eq!(world.fail(&guessed, "other").await, is_burnt);
        }
        assert!(world.code(&guessed).await.is_burnt());
        assert_eq!(world.redeem(&guessed, "b").await, Redemption::Gone);
        assert_eq!(world.times("code_failed").await, 5);
        assert!(!world.fail(&SecretHash(vec![1]), "other").await);
    })
    .await;
}

#[tokio::test]
async fn a_code_is_not_redeemed_once_it_has_expired() {
    on_both_engines(async |world| {
        let (_, code) = world.approved("one").await;
        let at = |seconds| AuditEvent {
            at: NOW.plus_seconds(seconds),
            ..grant_created()
        };

        assert_eq!(
            world.store.redeem_code(&code, None, &at(60)).await.unwrap(),
            Redemption::Gone
        );
        let in_time = world.store.redeem_code(&code, None, &at(59)).await.unwrap();
        assert!(matches!(in_time, Redemption::Redeemed(_)));
        assert_eq!(
            world.store.redeem_code(&code, None, &at(61)).await.unwrap(),
            Redemption::Replayed
        );
    })
    .await;
}

/// `security.md` 97: a code dies with its client.
#[tokio::test]
async fn threat_97_a_code_of_a_disabled_client_is_not_redeemed() {
    on_both_engines(async |world| {
        let (_, code) = world.approved("one").await;
        let client_id = fixtures::client().id;
        let disabled = event(Happened::ClientDisabled {
            client_id: client_id.clone(),
        });
        world.store.disable_client(&client_id, &disabled).await.unwrap();

        assert_eq!(world.redeem(&code, "refresh").await, Redemption::Gone);

        assert_eq!(world.code(&code).await.redeemed_at, None);
        assert_eq!(world.store.grants(&world.tenant).await.unwrap(), []);
        assert_eq!(world.times("grant_created").await, 0);
    })
    .await;
}

/// `security.md` 97: a code does not outlive the signing out of who granted it.
#[tokio::test]
async fn threat_97_a_code_of_a_user_who_signed_out_is_not_redeemed() {
    on_both_engines(async |world| {
        let session = world.signed_in("user", "cookie").await;
        let (_, code) = world.approved("one").await;
        let redeemed = world.granted("two").await;

        let signed_out = event(Happened::SignedOut);
        world
            .store
            .end_browser_session(&session.hash, &signed_out)
            .await
            .unwrap();

        assert_eq!(world.redeem(&code, "refresh").await, Redemption::Gone);
        assert_eq!(world.store.grants(&world.tenant).await.unwrap(), [redeemed]);
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_would_be_over_already_is_not_made() {
    on_both_engines(async |world| {
        let request = world.asked("one").await;
        let mut short = decision();
        short.approved.expires_at = NOW.plus_seconds(1);
        let code = crate::support::new_code("one");
        let approved = crate::support::approval(&request);
        assert!(
            world
                .store
                .approve_request(&request.id, &short, &code, &approved)
                .await
                .unwrap()
        );
        let late = AuditEvent {
            at: NOW.plus_seconds(1),
            ..grant_created()
        };

        assert_eq!(
            world.store.redeem_code(&code.hash, None, &late).await.unwrap(),
            Redemption::Gone
        );
    })
    .await;
}

/// The rule that every order of redemptions is tried with (`single_use/`) is the one in SQL.
#[tokio::test]
async fn a_code_is_redeemed_and_fails_exactly_when_the_rule_says_so() {
    on_both_engines(async |world| {
        for (case, failures) in (0..=CodeRecord::MOST_FAILURES)
            .chain(0..=CodeRecord::MOST_FAILURES)
            .enumerate()
        {
            let is_late = case > 3;
            let at = if is_late { NOW.plus_seconds(60) } else { NOW };
            let (_, code) = world.approved(&format!("case {case}")).await;
            for _ in 0..failures {
                world.fail(&code, "notes").await;
            }
            for _ in 0..2 {
                let before = world.code(&code).await;
                let redeemed = AuditEvent { at, ..grant_created() };
                let redeemed = world.store.redeem_code(&code, None, &redeemed).await.unwrap();
                let has_won = matches!(redeemed, Redemption::Redeemed(_));
                assert_eq!(has_won, before.can_be_redeemed(at), "case {case}");

                let before = world.code(&code).await;
                world.fail(&code, "notes").await;
                let has_failed = world.code(&code).await.failures > before.failures;
                assert_eq!(has_failed, before.can_fail(), "case {case}");
            }
        }
    })
    .await;
}

/// `security.md` 94: whoever guesses at the verifier in the moment in which the code is redeemed.
#[tokio::test]
async fn threat_94_a_check_that_fails_after_the_redemption_revokes_what_came_of_it() {
    on_both_engines(async |world| {
        let (request, code) = world.approved("one").await;
        assert!(matches!(world.redeem(&code, "refresh").await, Redemption::Redeemed(_)));

        assert!(!world.fail(&code, "other").await);

        let grant = world.store.grant(&world.tenant, &request.grant_id).await.unwrap();
        assert_eq!(grant.unwrap().state, GrantState::Revoked { at: NOW });
        assert_eq!(world.rotate("refresh", "next", NOW).await, Rotation::Gone);
        assert_eq!(
            (world.times("code_failed").await, world.times("code_replayed").await),
            (0, 1)
        );
        assert!(!world.fail(&code, "other").await);
        assert_eq!(world.times("code_replayed").await, 1);
    })
    .await;
}
