//! Provider credentials: the newest counts, and every change of them is noticed by the grants.

use aipassport_domain::{
    audit::Happened,
    fixtures::NOW,
    ids::{CredentialId, ProviderId, TenantId, UserId},
};

use crate::support::{event, on_both_engines};

#[tokio::test]
async fn the_newest_credential_at_a_provider_is_the_one_in_use() {
    on_both_engines(async |world| {
        world.add_user("ana").await;
        let old = world.add_credential("old", "user", "openai", NOW).await;
        let new = world.add_credential("new", "user", "openai", NOW.plus_seconds(1)).await;
        let other = world.add_credential("other", "user", "anthropic", NOW).await;
        world.add_credential("anas", "ana", "openai", NOW.plus_seconds(2)).await;
        let (user, openai) = (UserId::new("user"), ProviderId::new("openai"));

        let in_use = world.store.credential_for(&world.tenant, &user, &openai).await.unwrap();
        assert_eq!(in_use, Some(new.clone()));
        let all = world.store.credentials_of(&world.tenant, &user).await.unwrap();
        assert_eq!(all, [new, other, old.clone()]);
        assert_eq!(
            world.store.credential(&world.tenant, &old.id).await.unwrap(),
            Some(old.clone())
        );
        assert_eq!(
            world
                .store
                .credential(&TenantId::new("elsewhere"), &old.id)
                .await
                .unwrap(),
            None
        );
    })
    .await;
}

#[tokio::test]
async fn adding_and_removing_a_credential_raises_the_versions_of_its_users_grants() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        world.add_user("ana").await;

        world.add_credential("anas", "ana", "openai", NOW).await;
        assert_eq!(world.version(&grant.id).await, grant.version);
        let credential = world.add_credential("mine", "user", "openai", NOW).await;
        assert_eq!(world.version(&grant.id).await, grant.version + 1);

        let removed = event(Happened::CredentialRemoved {
            credential_id: credential.id.clone(),
            provider: credential.provider.clone(),
        });
        assert!(world.store.remove_credential(&credential.id, &removed).await.unwrap());
        assert!(!world.store.remove_credential(&credential.id, &removed).await.unwrap());
        assert_eq!(world.version(&grant.id).await, grant.version + 2);
        assert_eq!(
            world.store.credential(&world.tenant, &credential.id).await.unwrap(),
            None
        );
        assert_eq!(world.times("credential_removed").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_by_the_provider_is_told_once_until_the_credential_works_again() {
    on_both_engines(async |world| {
        let credential = world.add_credential("mine", "user", "openai", NOW).await;
        let refused = event(Happened::CredentialRefusedByProvider {
            provider: credential.provider.clone(),
        });
        let now = async || {
            world
                .store
                .credential(&world.tenant, &credential.id)
                .await
                .unwrap()
                .unwrap()
        };

        assert!(
            world
                .store
                .mark_credential_refused(&credential.id, &refused)
                .await
                .unwrap()
        );
        assert!(
            !world
                .store
                .mark_credential_refused(&credential.id, &refused)
                .await
                .unwrap()
        );
        assert!(
            !world
                .store
                .mark_credential_refused(&CredentialId::new("no"), &refused)
                .await
                .unwrap()
        );
        assert_eq!(now().await.refused_at, Some(NOW));
        assert_eq!(world.times("credential_refused_by_provider").await, 1);

        let later = NOW.plus_seconds(5);
        for _ in 0..2 {
            world
                .store
                .mark_credential_used(&world.tenant, &credential.id, later)
                .await
                .unwrap();
        }
        assert_eq!((now().await.last_used_at, now().await.refused_at), (Some(later), None));
        world
            .store
            .mark_credential_used(&world.tenant, &credential.id, NOW)
            .await
            .unwrap();
        assert_eq!(now().await.last_used_at, Some(later));
    })
    .await;
}
