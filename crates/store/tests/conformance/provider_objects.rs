//! What grants have left at providers: each grant its own, and nothing of another's.

use aipassport_domain::{
    fixtures::{self, NOW},
    ids::{GrantId, ProviderId, TenantId},
};
use aipassport_store::ProviderObject;

use crate::support::{World, hash, on_both_engines};

const DAY: i64 = 86_400;

async fn kept(world: &World, id: &str) -> ProviderObject {
    let object = ProviderObject {
        tenant_id: world.tenant.clone(),
        grant_id: world.granted("grant").await.id,
        provider: ProviderId::new("openai"),
        kind: "response",
        id_hash: hash(id),
        model: fixtures::MODEL.to_owned(),
    };
    world.store.record_provider_object(&object, NOW).await.unwrap();
    object
}

async fn model_of(world: &World, object: &ProviderObject) -> Option<String> {
    let ProviderObject {
        tenant_id,
        grant_id,
        provider,
        kind,
        id_hash,
        ..
    } = object;
    let found = world
        .store
        .provider_object_model(tenant_id, grant_id, provider, kind, id_hash);
    found.await.unwrap()
}

#[tokio::test]
async fn threat_113_an_object_is_its_grants_at_its_provider_and_nobody_elses() {
    on_both_engines(async |world| {
        let object = kept(&world, "resp_1").await;
        world.store.record_provider_object(&object, NOW).await.unwrap();

        assert_eq!(model_of(&world, &object).await.as_deref(), Some(fixtures::MODEL));
        for other in [
            ProviderObject {
                tenant_id: TenantId::new("elsewhere"),
                ..object.clone()
            },
            ProviderObject {
                grant_id: GrantId::new("another"),
                ..object.clone()
            },
            ProviderObject {
                provider: ProviderId::new("anthropic"),
                ..object.clone()
            },
            ProviderObject {
                kind: "file",
                ..object.clone()
            },
            ProviderObject {
                id_hash: hash("resp_2"),
                ..object.clone()
            },
        ] {
            assert_eq!(model_of(&world, &other).await, None, "{other:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_providers_have_forgotten_is_swept_away() {
    on_both_engines(async |world| {
        let object = kept(&world, "resp_1").await;

        world
            .store
            .sweep(&world.tenant, NOW.plus_seconds(30 * DAY))
            .await
            .unwrap();
        assert!(model_of(&world, &object).await.is_some());
        world
            .store
            .sweep(&world.tenant, NOW.plus_seconds(31 * DAY))
            .await
            .unwrap();
        assert_eq!(model_of(&world, &object).await, None);
    })
    .await;
}
