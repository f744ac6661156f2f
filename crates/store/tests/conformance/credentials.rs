//! Provider credentials: the newest counts, and every change of them is noticed by the grants.

use aipassport_domain::{
    audit::{AuditEvent, Happened, KeyCheck},
    fixtures::NOW,
    ids::{CredentialId, ProviderId, TenantId, UserId},
};

use aipassport_store::{KeyChecked, ProviderCredential};

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

#[tokio::test]
async fn what_a_provider_says_of_a_key_is_kept_with_it() {
    on_both_engines(async |world| {
        let key = world.add_credential("mine", "user", "openai", NOW).await;
        let said = async |seconds, result| {
            let checked = AuditEvent {
                at: NOW.plus_seconds(seconds),
                ..event(Happened::CredentialChecked {
                    credential_id: key.id.clone(),
                    provider: key.provider.clone(),
                    result,
                })
            };
            assert!(world.store.record_key_check(&key.id, result, &checked).await.unwrap());
            let key = world.store.credential(&world.tenant, &key.id).await.unwrap().unwrap();
            assert_eq!(key.checked, Some(KeyChecked { at: checked.at, result }));
            key.refused_at
        };

        assert_eq!(key.checked, None);
        assert_eq!(said(1, KeyCheck::NotReached).await, None);
        assert_eq!(said(2, KeyCheck::Refused).await, Some(NOW.plus_seconds(2)));
        assert_eq!(
            said(3, KeyCheck::Refused).await,
            Some(NOW.plus_seconds(2)),
            "it still is"
        );
        assert_eq!(said(4, KeyCheck::Unclear).await, Some(NOW.plus_seconds(2)));
        assert_eq!(said(5, KeyCheck::Works).await, None);
        assert_eq!(world.times("credential_checked").await, 5);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_added_with_what_its_provider_said_and_an_unknown_one_is_not_noted() {
    on_both_engines(async |world| {
        let key = ProviderCredential {
            id: CredentialId::new("checked"),
            checked: Some(KeyChecked {
                at: NOW,
                result: KeyCheck::Works,
            }),
            ..world.add_credential("plain", "user", "openai", NOW).await
        };
        let added = event(Happened::CredentialAdded {
            credential_id: key.id.clone(),
            provider: key.provider.clone(),
            last_four: key.last_four.clone(),
        });
        world.store.add_credential(&key, &added).await.unwrap();
        assert_eq!(
            world.store.credential(&world.tenant, &key.id).await.unwrap(),
            Some(key.clone())
        );

        let unknown = CredentialId::new("unknown");
        let checked = event(Happened::CredentialChecked {
            credential_id: unknown.clone(),
            provider: key.provider,
            result: KeyCheck::Works,
        });
        let noted = world.store.record_key_check(&unknown, KeyCheck::Works, &checked).await;
        assert!(!noted.unwrap());
        assert_eq!(world.times("credential_checked").await, 0);
    })
    .await;
}
