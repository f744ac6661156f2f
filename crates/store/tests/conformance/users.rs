//! Users: added once, found by id and name.

use aipassport_domain::{
    audit::Happened,
    fixtures::NOW,
    ids::{TenantId, UserId},
};
use aipassport_store::{Redemption, Rotation, StoreError, User};

use crate::support::{event, hash, on_both_engines, user};

#[tokio::test]
async fn a_user_is_found_by_id_and_by_name_in_its_own_tenant_only() {
    on_both_engines(async |world| {
        let ana = world.add_user("ana").await;
        let elsewhere = TenantId::new("elsewhere");

        assert_eq!(
            world.store.user(&world.tenant, &ana.id).await.unwrap(),
            Some(ana.clone())
        );
        let by_name = world.store.user_by_name(&world.tenant, &ana.name).await.unwrap();
        assert_eq!(by_name, Some(ana.clone()));
        assert_eq!(world.store.user(&elsewhere, &ana.id).await.unwrap(), None);
        assert_eq!(world.store.user_by_name(&elsewhere, &ana.name).await.unwrap(), None);
        assert_eq!(world.store.users(&world.tenant).await.unwrap(), [ana, user("user")]);
        assert_eq!(world.store.users(&elsewhere).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_name_is_given_once() {
    on_both_engines(async |world| {
        let namesake = User {
            id: UserId::new("other"),
            ..user("user")
        };
        let added = event(Happened::UserAdded {
            name: namesake.name.clone(),
        });

        let refused = world.store.add_user(&namesake, &added).await;

        assert!(matches!(refused, Err(StoreError::Taken)));
        assert_eq!(world.times("user_added").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_every_browser_session_of_the_user() {
    on_both_engines(async |world| {
        world.signed_in("user", "one").await;
        world.signed_in("user", "two").await;
        world.add_user("ana").await;
        world.signed_in("ana", "three").await;

        let changed = event(Happened::PasswordChanged);
        let is_set = world
            .store
            .set_password(&UserId::new("user"), "$argon2id$new", &changed)
            .await;

        assert!(is_set.unwrap());
        let user = world
            .store
            .user(&world.tenant, &UserId::new("user"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(user.password_hash.as_deref(), Some("$argon2id$new"));
        for (session, lives) in [("one", false), ("two", false), ("three", true)] {
            let found = world
                .store
                .browser_session(&world.tenant, &hash(session), changed.at)
                .await;
            assert_eq!(found.unwrap().is_some(), lives, "{session}");
        }
        let nobody = world.store.set_password(&UserId::new("nobody"), "x", &changed).await;
        assert!(!nobody.unwrap());
        assert_eq!(world.times("password_changed").await, 1);
    })
    .await;
}

#[tokio::test]
async fn suspending_a_user_stops_its_grants_until_it_is_resumed() {
    on_both_engines(async |world| {
        let grant = world.granted("asked").await;
        let (_, unredeemed) = world.approved("approved").await;
        world.signed_in("user", "cookie").await;
        world.issue_bearer("user", "bearer").await;
        let user = UserId::new("user");
        let suspended_at = async || {
            let live = world.store.live_grant(&world.tenant, &grant.id).await.unwrap().unwrap();
            (live.grant.version, live.user_suspended_at)
        };
        let before = suspended_at().await;

        let suspended = event(Happened::UserSuspended);
        assert!(world.store.suspend_user(&user, &suspended).await.unwrap());
        assert!(!world.store.suspend_user(&user, &suspended).await.unwrap(), "it is");

        assert_eq!(suspended_at().await, (before.0 + 1, Some(NOW)));
        let found = world.store.browser_session(&world.tenant, &hash("cookie"), NOW).await;
        assert_eq!(found.unwrap(), None);
        assert!(!world.has_bearer("bearer").await);
        assert!(!matches!(
            world.rotate("asked", "next", NOW).await,
            Rotation::Rotated(_)
        ));

        let resumed = event(Happened::UserResumed);
        assert!(world.store.resume_user(&user, &resumed).await.unwrap());
        assert!(!world.store.resume_user(&user, &resumed).await.unwrap(), "it was");

        assert_eq!(suspended_at().await, (before.0 + 2, None));
        let redeemed = world.redeem(&unredeemed, "late").await;
        assert!(!matches!(redeemed, Redemption::Redeemed(_)), "its code had ended");
        assert!(matches!(world.rotate("asked", "next", NOW).await, Rotation::Rotated(_)));
        assert_eq!(world.times("user_suspended").await, 1);
        assert_eq!(world.times("user_resumed").await, 1);
    })
    .await;
}

#[tokio::test]
async fn nobody_unknown_is_suspended() {
    on_both_engines(async |world| {
        let nobody = UserId::new("nobody");

        let suspended = world.store.suspend_user(&nobody, &event(Happened::UserSuspended)).await;
        let resumed = world.store.resume_user(&nobody, &event(Happened::UserResumed)).await;

        assert!(!suspended.unwrap() && !resumed.unwrap());
        assert_eq!(
            world.times("user_suspended").await + world.times("user_resumed").await,
            0
        );
    })
    .await;
}
