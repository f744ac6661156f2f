//! Signing keys: kept sealed, listed oldest first.

use aipassport_domain::{
    audit::Happened,
    fixtures::NOW,
    ids::{KeyId, TenantId},
    secret::Sealed,
};
use aipassport_store::{SigningKey, SigningKeyState, StoreError};

use crate::support::{event, on_both_engines};

#[tokio::test]
async fn signing_keys_are_read_back_as_they_were_added_oldest_first() {
    on_both_engines(async |world| {
        let key = |kid: &str, state, age: i64| SigningKey {
            kid: KeyId::new(kid),
            tenant_id: world.tenant.clone(),
            public_jwk: r#"{"kty":"EC"}"#.to_owned(),
            sealed_private_key: Sealed(vec![0, 128, 255]),
            state,
            created_at: NOW.plus_seconds(-age),
        };
        let keys = [
            key("a", SigningKeyState::Revoked, 3),
            key("b", SigningKeyState::Retired, 2),
            key("c", SigningKeyState::Active, 1),
            key("d", SigningKeyState::Pending, 0),
        ];
        let created = event(Happened::SigningKeyCreated { kid: "x".to_owned() });

        for key in keys.iter().rev() {
            world.store.add_signing_key(key, &created).await.unwrap();
        }

        assert_eq!(world.store.signing_keys(&world.tenant).await.unwrap(), keys);
        assert_eq!(world.store.signing_keys(&TenantId::new("elsewhere")).await.unwrap(), []);
        let again = world.store.add_signing_key(&keys[0], &created).await;
        assert!(matches!(again, Err(StoreError::Taken)));
    })
    .await;
}
