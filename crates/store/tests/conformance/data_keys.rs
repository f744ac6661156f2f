//! Data keys: whoever comes first makes a tenant's, and everybody uses that one.

use aipassport_domain::{fixtures::NOW, ids::TenantId, secret::Sealed};

use crate::support::{in_parallel, on_both_engines};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_bring_a_data_key_at_once_all_get_the_same() {
    on_both_engines(async |world| {
        let keys = in_parallel(20, |number| {
            let (store, tenant) = (world.store.clone(), world.tenant.clone());
            let own = Sealed(number.to_be_bytes().to_vec());
            async move { store.data_key_or(&tenant, &own, NOW).await.unwrap() }
        })
        .await;

        assert!(keys.iter().all(|key| *key == keys[0]));
        let own = Sealed(vec![7]);
        let elsewhere = world.store.data_key_or(&TenantId::new("elsewhere"), &own, NOW).await;
        assert_eq!(elsewhere.unwrap(), own);
    })
    .await;
}
