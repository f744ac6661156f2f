//! Clients: kept as they were added, disabled once.

use aipassport_domain::{
    audit::Happened,
    client::{Client, ClientAuthentication, Registration},
    consent::AuthorizationRequest,
    fixtures::{self, NOW},
    ids::{AuthorizationRequestId, ClientId, GrantId, TenantId},
};
use aipassport_store::{Redemption, StoreError};

use crate::support::{decision, event, grant_created, hash, in_parallel, new_code, on_both_engines};

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

/// A client that is disabled while a grant of its is being made: either there is no grant, or its
/// version was raised, so that nothing decided before can be admitted after.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_disabled_while_its_code_is_redeemed_is_noticed() {
    on_both_engines(async |world| {
        for round in 0..20 {
            let client = world.add_client(&format!("client {round}")).await;
            let request = AuthorizationRequest {
                id: AuthorizationRequestId::new(format!("request {round}")),
                grant_id: GrantId::new(format!("grant {round}")),
                client_id: client.id.clone(),
                ..fixtures::authorization_request()
            };
            let code = new_code(&format!("code {round}"));
            let happened = grant_created();
            world
                .store
                .open_authorization_request(&request, &happened)
                .await
                .unwrap();
            let approved = world
                .store
                .approve_request(&request.id, &decision(), &code, &happened)
                .await;
            assert!(approved.unwrap());

            let redeemed = in_parallel(2, |number| {
                let (store, code, client_id) = (world.store.clone(), code.hash.clone(), client.id.clone());
                async move {
                    if number == 0 {
                        store.disable_client(&client_id, &grant_created()).await.unwrap();
                        return None;
                    }
                    match store.redeem_code(&code, None, &grant_created()).await.unwrap() {
                        Redemption::Redeemed(grant) => Some(grant),
                        _ => None,
                    }
                }
            })
            .await;

            for grant in redeemed.into_iter().flatten() {
                assert_eq!(world.version(&grant.id).await, 2);
            }
        }
    })
    .await;
}
