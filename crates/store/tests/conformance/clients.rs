//! Clients: kept as they were added, disabled once.

use aipassport_domain::{
    audit::Happened,
    client::{Client, ClientAuthentication, Registration},
    fixtures::{self, NOW},
    ids::{ClientId, TenantId},
};
use aipassport_store::StoreError;

use crate::support::{event, hash, on_both_engines};

#[tokio::test]
async fn a_client_is_read_back_as_it_was_added() {
    on_both_engines(async |world| {
        let client = Client {
            id: ClientId::new("confidential"),
            redirect_uris: vec!["https://a.example/\"cb'".to_owned(), "http://127.0.0.1/ü".to_owned()],
            authentication: ClientAuthentication::Secret(hash("secret")),
            registration: Registration::Unverified,
            created_at: NOW.plus_seconds(1),
            ..fixtures::client()
        };
        let added = event(Happened::ClientAdded {
            client_id: client.id.clone(),
            name: client.name.clone(),
        });

        world.store.add_client(&client, &added).await.unwrap();

        assert_eq!(
            world.store.client(&world.tenant, &client.id).await.unwrap(),
            Some(client.clone())
        );
        assert_eq!(
            world
                .store
                .client(&TenantId::new("elsewhere"), &client.id)
                .await
                .unwrap(),
            None
        );
        assert_eq!(
            world.store.clients(&world.tenant).await.unwrap(),
            [client.clone(), fixtures::client()]
        );
        let again = world.store.add_client(&client, &added).await;
        assert!(matches!(again, Err(StoreError::Taken)));
    })
    .await;
}

#[tokio::test]
async fn a_client_is_disabled_once_and_its_grants_are_decided_anew() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        let disabled = event(Happened::ClientDisabled {
            client_id: grant.client_id.clone(),
        });

        assert!(world.store.disable_client(&grant.client_id, &disabled).await.unwrap());
        assert!(!world.store.disable_client(&grant.client_id, &disabled).await.unwrap());
        assert!(
            !world
                .store
                .disable_client(&ClientId::new("unknown"), &disabled)
                .await
                .unwrap()
        );

        let client = world
            .store
            .client(&world.tenant, &grant.client_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(client.disabled_at, Some(disabled.at));
        assert_eq!(world.version(&grant.id).await, grant.version + 1);
        let live = world.store.live_grant(&world.tenant, &grant.id).await.unwrap().unwrap();
        assert_eq!(live.client_disabled_at, Some(disabled.at));
        assert_eq!(world.times("client_disabled").await, 1);
    })
    .await;
}
