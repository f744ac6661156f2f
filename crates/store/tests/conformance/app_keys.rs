//! App keys: made with their grant in one go, replaced without losing what is spent, ended with it.

use aipassport_domain::{
    audit::{AuditEvent, Happened, RevocationReason},
    client::{Client, Registration},
    fixtures::{self, NOW},
    ids::{AppKeyId, ClientId, GrantId, UserId},
};
use aipassport_store::{NewAppKey, NewTool};

use crate::support::{World, decision, event, hash, in_parallel, on_both_engines};

pub fn tool() -> Client {
    Client {
        id: ClientId::new("editor"),
        name: "My editor".to_owned(),
        address: String::new(),
        redirect_uris: Vec::new(),
        registration: Registration::Tool,
        ..fixtures::client()
    }
}

fn key(id: &str) -> NewAppKey {
    NewAppKey {
        hash: hash(id),
        id: AppKeyId::new(id),
        last_four: "abcd".to_owned(),
    }
}

fn replaced(id: &str) -> AuditEvent {
    event(Happened::AppKeyReplaced {
        app_key_id: AppKeyId::new(id),
        replaced: AppKeyId::new("first"),
    })
}

/// The first key of a tool, and the id of its grant.
async fn made(world: &World) -> GrantId {
    let approved = decision().approved;
    let made = event(Happened::AppKeyMade {
        app_key_id: AppKeyId::new("first"),
        name: tool().name,
        authorization_details: serde_json::to_value(&approved.authorization_details).unwrap(),
        expires_at: approved.expires_at,
        revoke_when_used_up: false,
    });
    let tool = NewTool {
        user_id: &UserId::new("user"),
        client: &tool(),
        grant_id: &GrantId::new("grant"),
        approved: &approved,
        prices: "{}",
    };
    let grant = world.store.make_app_key(&key("first"), tool, &made).await.unwrap();
    grant.unwrap().id
}

#[tokio::test]
async fn a_key_is_made_with_its_tool_its_grant_and_its_accounts() {
    on_both_engines(async |world| {
        let grant_id = made(&world).await;

        let found = world
            .store
            .app_key(&world.tenant, &hash("first"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((&found.grant_id, &found.client_id), (&grant_id, &tool().id));
        assert_eq!(world.store.app_key(&world.tenant, &hash("other")).await.unwrap(), None);
        assert_eq!(
            world
                .store
                .app_keys_of(&world.tenant, &UserId::new("user"))
                .await
                .unwrap(),
            [found]
        );
        assert!(
            !world
                .store
                .accounts_of(&world.tenant, &grant_id)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(world.times("app_key_made").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_would_be_over_makes_nothing() {
    on_both_engines(async |world| {
        let mut approved = decision().approved;
        approved.expires_at = NOW;
        let tool = NewTool {
            user_id: &UserId::new("user"),
            client: &tool(),
            grant_id: &GrantId::new("grant"),
            approved: &approved,
            prices: "{}",
        };

        let grant = world.store.make_app_key(&key("first"), tool, &replaced("first")).await;

        assert_eq!(grant.unwrap(), None);
        assert_eq!(world.store.client(&world.tenant, &tool.client.id).await.unwrap(), None);
        assert_eq!(world.store.app_key(&world.tenant, &hash("first")).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_key_that_was_replaced_is_cut_off_from_the_next_version_of_the_grant_on() {
    on_both_engines(async |world| {
        let grant_id = made(&world).await;
        let before = world.version(&grant_id).await;

        let is_replaced = world
            .store
            .replace_app_key(&grant_id, &key("second"), &replaced("second"))
            .await;

        assert!(is_replaced.unwrap());
        assert!(world.version(&grant_id).await > before);
        let live = world.store.live_grant(&world.tenant, &grant_id).await.unwrap().unwrap();
        assert_eq!(live.revoked_jtis, ["first"]);
        let left = world
            .store
            .app_keys_of(&world.tenant, &UserId::new("user"))
            .await
            .unwrap();
        assert_eq!(left.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["second"]);
    })
    .await;
}

#[tokio::test]
async fn of_many_replacements_at_once_each_leaves_one_key() {
    on_both_engines(async |world| {
        let grant_id = made(&world).await;

        let store = world.store.clone();
        let replaced = in_parallel(8, move |number| {
            let (store, grant_id) = (store.clone(), grant_id.clone());
            async move {
                let id = format!("key {number}");
                store
                    .replace_app_key(&grant_id, &key(&id), &replaced(&id))
                    .await
                    .unwrap()
            }
        })
        .await;

        assert!(replaced.into_iter().all(|replaced| replaced));
        let left = world
            .store
            .app_keys_of(&world.tenant, &UserId::new("user"))
            .await
            .unwrap();
        assert_eq!(left.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn nothing_takes_the_place_of_the_key_of_a_grant_that_is_over() {
    on_both_engines(async |world| {
        let grant_id = made(&world).await;
        let revoked = event(Happened::GrantRevoked {
            reason: RevocationReason::ByUser,
        });
        world.store.revoke_grant(&grant_id, &revoked).await.unwrap();

        let is_replaced = world
            .store
            .replace_app_key(&grant_id, &key("second"), &replaced("second"))
            .await;
        let of_an_app = world
            .store
            .replace_app_key(&world.granted("one").await.id, &key("third"), &replaced("third"))
            .await;

        assert!(!is_replaced.unwrap() && !of_an_app.unwrap());
        assert_eq!(world.times("app_key_replaced").await, 0);
    })
    .await;
}
