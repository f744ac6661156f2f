//! What texts do to the store: nothing, whatever they hold.

use aipassport_domain::{
    audit::Happened,
    client::Client,
    fixtures,
    ids::{ClientId, GrantId, UserId},
};
use aipassport_store::{StoreError, User};

use crate::support::{event, on_both_engines, user};

/// `security.md` 163: metacharacters and 1 MB are text like any other.
#[tokio::test]
async fn threat_163_any_text_is_kept_as_it_is() {
    on_both_engines(async |world| {
        let texts = [
            "'; drop table users; --".to_owned(),
            "\" \\ % _ ? $1 :name /* */ ' or '1'='1".to_owned(),
            "\u{feff}\u{202e}\u{1F511}\u{7f}\r\n\t\u{1}".to_owned(),
            String::new(),
            "ä".repeat(500_000),
        ];
        for (number, text) in texts.iter().enumerate() {
            let client = Client {
                id: ClientId::new(format!("{number}{}", text.chars().take(200).collect::<String>())),
                name: text.clone(),
                address: text.clone(),
                redirect_uris: vec![text.clone()],
                ..fixtures::client()
            };
            let added = event(Happened::ClientAdded {
                client_id: client.id.clone(),
                name: text.clone(),
            });

            world.store.add_client(&client, &added).await.unwrap();

            assert_eq!(
                world.store.client(&world.tenant, &client.id).await.unwrap(),
                Some(client)
            );
            let last = world.store.events(&world.tenant, 0, 100).await.unwrap().pop().unwrap();
            assert_eq!(last.event, added);
            assert_eq!(world.store.user_by_name(&world.tenant, text).await.unwrap(), None);
        }
        assert_eq!(world.store.users(&world.tenant).await.unwrap(), [user("user")]);
    })
    .await;
}

/// `security.md` 163: a NUL, which PostgreSQL cannot store, is refused by both engines alike and
/// found by neither.
#[tokio::test]
async fn threat_163_a_nul_is_refused_and_finds_nothing() {
    on_both_engines(async |world| {
        let nul = User {
            id: UserId::new("nul"),
            name: "a\0b".to_owned(),
            ..user("nul")
        };
        let added = event(Happened::UserAdded { name: nul.name.clone() });

        let refused = world.store.add_user(&nul, &added).await;

        assert!(matches!(refused, Err(StoreError::Unstorable)));
        assert_eq!(world.times("user_added").await, 1);
        assert_eq!(world.store.user_by_name(&world.tenant, "a\0b").await.unwrap(), None);
        assert_eq!(
            world.store.grant(&world.tenant, &GrantId::new("\0")).await.unwrap(),
            None
        );
        assert_eq!(
            world
                .store
                .versions(&world.tenant, &[GrantId::new("\0")])
                .await
                .unwrap(),
            []
        );
    })
    .await;
}
