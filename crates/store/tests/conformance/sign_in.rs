//! Signing in: sessions end by themselves, failures are counted, bearers expire.

use aipassport_domain::{
    audit::Happened,
    fixtures::NOW,
    ids::{TenantId, UserId},
};
use aipassport_store::{ApiToken, BrowserSession, Redemption};

use crate::support::{World, event, hash, on_both_engines};

impl World {
    pub async fn signed_in(&self, user: &str, session: &str) -> BrowserSession {
        let session = BrowserSession {
            hash: hash(session),
            tenant_id: self.tenant.clone(),
            user_id: UserId::new(user),
            started_at: NOW,
            last_seen_at: NOW,
        };
        self.store
            .start_browser_session(&session, None, &event(Happened::SignedIn))
            .await
            .unwrap();
        session
    }

    async fn is_signed_in(&self, session: &str, after_seconds: i64) -> bool {
        let now = NOW.plus_seconds(after_seconds);
        let found = self.store.browser_session(&self.tenant, &hash(session), now).await;
        found.unwrap().is_some()
    }

    pub async fn issue_bearer(&self, user: &str, bearer: &str) {
        let token = ApiToken {
            hash: hash(bearer),
            tenant_id: self.tenant.clone(),
            user_id: UserId::new(user),
            created_at: NOW,
            expires_at: None,
        };
        let issued = event(Happened::ApiTokenIssued);
        self.store.issue_api_token(&token, &issued).await.unwrap();
    }

    pub async fn has_bearer(&self, bearer: &str) -> bool {
        let found = self.store.user_by_api_token(&self.tenant, &hash(bearer), NOW).await;
        found.unwrap().is_some()
    }
}

#[tokio::test]
async fn a_browser_session_ends_when_idle_and_at_last() {
    on_both_engines(async |world| {
        let session = world.signed_in("user", "cookie").await;
        let touch = async |seconds| {
            let now = NOW.plus_seconds(seconds);
            world
                .store
                .touch_browser_session(&world.tenant, &session.hash, now)
                .await
                .unwrap();
        };

        let found = world
            .store
            .browser_session(&world.tenant, &session.hash, NOW)
            .await
            .unwrap();
        assert_eq!(
            found.map(|(session, user)| (session, user.id)),
            Some((session.clone(), UserId::new("user")))
        );
        assert!(world.is_signed_in("cookie", 1799).await);
        assert!(!world.is_signed_in("cookie", 1800).await);

        for minute in (29..=719).step_by(29) {
            touch(minute * 60).await;
        }
        assert!(world.is_signed_in("cookie", 12 * 3600 - 1).await);
        assert!(!world.is_signed_in("cookie", 12 * 3600).await);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_brought_back_by_touching_it() {
    on_both_engines(async |world| {
        let session = world.signed_in("user", "cookie").await;
        let late = NOW.plus_seconds(1800);

        world
            .store
            .touch_browser_session(&world.tenant, &session.hash, late)
            .await
            .unwrap();

        assert!(!world.is_signed_in("cookie", 1800).await);
    })
    .await;
}

#[tokio::test]
async fn signing_in_again_ends_the_session_it_replaces() {
    on_both_engines(async |world| {
        let old = world.signed_in("user", "old").await;
        let new = BrowserSession {
            hash: hash("new"),
            ..old.clone()
        };

        let signed_in = event(Happened::SignedIn);
        world
            .store
            .start_browser_session(&new, Some(&old.hash), &signed_in)
            .await
            .unwrap();

        assert!(!world.is_signed_in("old", 0).await);
        assert!(world.is_signed_in("new", 0).await);
    })
    .await;
}

#[tokio::test]
async fn signing_out_ends_a_session_once() {
    on_both_engines(async |world| {
        let session = world.signed_in("user", "cookie").await;
        let signed_out = event(Happened::SignedOut);

        assert!(
            world
                .store
                .end_browser_session(&session.hash, &signed_out)
                .await
                .unwrap()
        );
        assert!(
            !world
                .store
                .end_browser_session(&session.hash, &signed_out)
                .await
                .unwrap()
        );

        assert!(!world.is_signed_in("cookie", 0).await);
        assert_eq!(world.times("signed_out").await, 1);
    })
    .await;
}

#[tokio::test]
async fn failures_to_sign_in_are_counted_by_name_and_time_until_they_are_cleared() {
    on_both_engines(async |world| {
        let failed = event(Happened::SignInFailed {
            name: "user".to_owned(),
        });
        for _ in 0..3 {
            world.store.record_sign_in_failure("user", &failed).await.unwrap();
        }
        let failures = async |name, since| world.store.sign_in_failures(&world.tenant, name, since).await.unwrap();

        assert_eq!(failures("user", NOW).await, 3);
        assert_eq!(failures("user", NOW.plus_millis(1)).await, 0);
        assert_eq!(failures("other", NOW).await, 0);
        assert_eq!(world.times("sign_in_failed").await, 3);

        world.store.clear_sign_in_failures(&world.tenant, "user").await.unwrap();
        assert_eq!(failures("user", NOW).await, 0);
    })
    .await;
}

#[tokio::test]
async fn one_failure_counts_under_several_keys_and_is_one_event() {
    on_both_engines(async |world| {
        let failed = event(Happened::SignInFailed { name: String::new() });
        world.store.record_sign_in_failure("name", &failed).await.unwrap();
        for _ in 0..2 {
            let counted = world.store.count_sign_in_failure(&world.tenant, "place", NOW);
            counted.await.unwrap();
        }
        let failures = async |key, since| world.store.sign_in_failures(&world.tenant, key, since).await.unwrap();

        assert_eq!(failures("name", NOW).await, 1);
        assert_eq!(failures("place", NOW).await, 2);
        assert_eq!(failures("place", NOW.plus_millis(1)).await, 0);
        assert_eq!(world.times("sign_in_failed").await, 1);
        let elsewhere = TenantId::new("elsewhere");
        let other = world.store.sign_in_failures(&elsewhere, "place", NOW).await;
        assert_eq!(other.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_bearer_is_its_users_until_it_expires() {
    on_both_engines(async |world| {
        let token = |name, expires_at| ApiToken {
            hash: hash(name),
            tenant_id: world.tenant.clone(),
            user_id: UserId::new("user"),
            created_at: NOW,
            expires_at,
        };
        let issued = event(Happened::ApiTokenIssued);
        let ends = token("ends", Some(NOW.plus_seconds(60)));
        world.store.issue_api_token(&ends, &issued).await.unwrap();
        world
            .store
            .issue_api_token(&token("stays", None), &issued)
            .await
            .unwrap();
        let works = async |name, seconds| {
            let now = NOW.plus_seconds(seconds);
            let user = world
                .store
                .user_by_api_token(&world.tenant, &hash(name), now)
                .await
                .unwrap();
            user.is_some_and(|user| user.id == UserId::new("user"))
        };

        assert!(works("ends", 59).await);
        assert!(!works("ends", 60).await);
        assert!(works("stays", 1_000_000).await);
        assert!(!works("unknown", 0).await);
    })
    .await;
}

#[tokio::test]
async fn a_suspended_user_has_neither_session_nor_bearer() {
    on_both_engines(async |world| {
        let user = UserId::new("user");
        let suspended = event(Happened::UserSuspended);
        world.store.suspend_user(&user, &suspended).await.unwrap();

        // Both were under way when it was suspended.
        world.signed_in("user", "cookie").await;
        world.issue_bearer("user", "bearer").await;
        assert!(!world.is_signed_in("cookie", 0).await);
        assert!(!world.has_bearer("bearer").await);

        let resumed = event(Happened::UserResumed);
        world.store.resume_user(&user, &resumed).await.unwrap();
        assert!(!world.is_signed_in("cookie", 0).await, "nor do they come back");
        assert!(!world.has_bearer("bearer").await);
    })
    .await;
}

#[tokio::test]
async fn signing_out_everywhere_ends_all_that_one_user_signed_in_with() {
    on_both_engines(async |world| {
        world.signed_in("user", "one").await;
        world.signed_in("user", "two").await;
        world.issue_bearer("user", "bearer").await;
        let (_, code) = world.approved("asked").await;
        world.add_user("ana").await;
        world.signed_in("ana", "hers").await;
        world.issue_bearer("ana", "her bearer").await;

        let signed_out = event(Happened::SignedOut);
        let user = UserId::new("user");
        world.store.end_browser_sessions(&user, &signed_out).await.unwrap();

        for ended in ["one", "two"] {
            assert!(!world.is_signed_in(ended, 0).await, "{ended}");
        }
        assert!(!world.has_bearer("bearer").await);
        assert!(!matches!(world.redeem(&code, "tokens").await, Redemption::Redeemed(_)));
        assert!(world.is_signed_in("hers", 0).await);
        assert!(world.has_bearer("her bearer").await);
        assert_eq!(world.times("signed_out").await, 1);
    })
    .await;
}
