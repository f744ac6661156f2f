//! What is swept away, and what is not.

use crate::support::{World, approval, decision, event, hash, on_both_engines};
use aipassport_domain::{
    audit::Happened,
    client::{Client, Registration},
    consent::{AuthorizationRequest, Door},
    fixtures::{self, NOW},
    ids::{AuthorizationRequestId, ClientId, GrantId},
};

const DAY: i64 = 86_400;

impl World {
    /// An app that only named itself, and what it asked for.
    async fn stranger(&self, id: &str) -> AuthorizationRequest {
        let client = Client {
            id: ClientId::new(id),
            registration: Registration::Unverified,
            ..fixtures::client()
        };
        let added = event(Happened::ClientAdded {
            client_id: client.id.clone(),
            name: client.name.clone(),
        });
        self.store.add_client(&client, &added).await.unwrap();
        let request = AuthorizationRequest {
            id: AuthorizationRequestId::new(id),
            client_id: client.id.clone(),
            grant_id: GrantId::new(id),
            door: Door::GrantRequest {
                request_secret: hash(id),
                reason: "To ask".to_owned(),
            },
            ..fixtures::authorization_request()
        };
        let asked = event(Happened::GrantRequested {
            request_id: request.id.clone(),
            client_id: client.id,
        });
        self.store.open_authorization_request(&request, &asked).await.unwrap();
        request
    }

    async fn client_ids(&self) -> Vec<String> {
        let clients = self.store.clients(&self.tenant).await.unwrap();
        let mut ids: Vec<String> = clients.into_iter().map(|client| client.id.to_string()).collect();
        ids.sort();
        ids
    }

    async fn swept_after(&self, seconds: i64) -> u64 {
        let end = fixtures::authorization_request().expires_at;
        self.store.sweep(&self.tenant, end.plus_seconds(seconds)).await.unwrap()
    }
}

#[tokio::test]
async fn threat_183_what_nobody_decided_goes_a_day_after_its_end_with_who_asked() {
    on_both_engines(async |world| {
        for number in 0..5 {
            world.stranger(&format!("stranger {number}")).await;
        }
        world.asked("of a registered app").await;

        assert_eq!(world.swept_after(DAY - 1).await, 0);
        assert_eq!(world.swept_after(DAY).await, 6 + 5);
        assert_eq!(world.swept_after(DAY).await, 0);
        assert_eq!(world.client_ids().await, ["notes"]);
    })
    .await;
}

#[tokio::test]
async fn what_was_decided_stays_and_so_does_who_was_disabled() {
    on_both_engines(async |world| {
        let allowed = world.stranger("allowed").await;
        let grant = world
            .store
            .approve_grant_request(&allowed.id, &decision(), &approval(&allowed))
            .await;
        assert!(grant.unwrap().is_some());
        let denied = world.stranger("denied").await;
        let said_no = event(Happened::GrantDenied {
            request_id: denied.id.clone(),
            client_id: denied.client_id.clone(),
        });
        assert!(
            world
                .store
                .deny_request(&denied.id, &decision().by, &said_no)
                .await
                .unwrap()
        );
        let disabled = world.stranger("disabled").await;
        let switched_off = event(Happened::ClientDisabled {
            client_id: disabled.client_id.clone(),
        });
        assert!(
            world
                .store
                .disable_client(&disabled.client_id, &switched_off)
                .await
                .unwrap()
        );
        let redeemed = world.approved("redeemed").await.0;

        assert_eq!(world.swept_after(100 * DAY).await, 1, "the disabled app's question");
        assert_eq!(world.client_ids().await, ["allowed", "denied", "disabled", "notes"]);
        let kept = world
            .store
            .authorization_request(&world.tenant, &redeemed.id)
            .await
            .unwrap();
        assert!(kept.is_some());
    })
    .await;
}

#[tokio::test]
async fn sessions_and_failures_go_once_they_count_for_nothing() {
    on_both_engines(async |world| {
        world.signed_in("user", "cookie").await;
        let failed = event(Happened::SignInFailed { name: String::new() });
        world.store.record_sign_in_failure("key", &failed).await.unwrap();

        assert_eq!(
            world
                .store
                .sweep(&world.tenant, NOW.plus_seconds(DAY - 1))
                .await
                .unwrap(),
            0
        );
        assert_eq!(
            world.store.sweep(&world.tenant, NOW.plus_seconds(DAY)).await.unwrap(),
            2
        );
    })
    .await;
}
