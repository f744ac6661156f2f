//! The audit log: in order, in pages, each event as it was written.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    consent::Approved,
    fixtures::NOW,
    ids::{ClientId, GrantId, TenantId, UserId},
};
use aipassport_store::Page;

use crate::support::{decision, event, hash, new_code, new_refresh_token, on_both_engines, user};

#[tokio::test]
async fn events_are_read_back_as_they_were_written() {
    on_both_engines(async |world| {
        let actors = [
            Actor::User(UserId::new("user:with:colons")),
            Actor::Client(ClientId::new("notes")),
            Actor::Operator,
            Actor::Broker,
            Actor::Nobody,
        ];
        let written: Vec<AuditEvent> = actors
            .into_iter()
            .map(|actor| AuditEvent {
                actor,
                user_id: None,
                grant_id: Some(GrantId::new("grant")),
                at: NOW.plus_millis(1),
                ..event(Happened::SignInFailed {
                    name: "NUL \0, quote ' and \u{1F511}".to_owned(),
                })
            })
            .collect();
        let before = world.kinds().await.len();

        for event in &written {
            world.store.append(event).await.unwrap();
        }

        let all = world.store.events(&world.tenant, 0, 100).await.unwrap();
        let read: Vec<_> = all.iter().skip(before).map(|record| record.event.clone()).collect();
        assert_eq!(read, written);
    })
    .await;
}

#[tokio::test]
async fn an_export_goes_on_where_it_stopped_and_a_user_sees_own_events_newest_first() {
    on_both_engines(async |world| {
        let start = world.store.events(&world.tenant, 0, 100).await.unwrap().len();
        for number in 0..5 {
            let own = AuditEvent {
                at: NOW.plus_seconds(number),
                user_id: Some(UserId::new("ana")),
                ..event(Happened::SignedIn)
            };
            world.store.append(&own).await.unwrap();
            world.store.append(&event(Happened::SignedIn)).await.unwrap();
        }
        let elsewhere = AuditEvent {
            tenant_id: TenantId::new("elsewhere"),
            ..event(Happened::SignedIn)
        };
        world.store.append(&elsewhere).await.unwrap();

        let (mut after, mut exported) = (0, Vec::new());
        loop {
            let part = world.store.events(&world.tenant, after, 3).await.unwrap();
            let Some(last) = part.last() else { break };
            after = last.sequence;
            exported.extend(part);
        }
        assert_eq!(exported.len(), start + 10);
        assert!(exported.is_sorted_by_key(|record| record.sequence));

        let ana = UserId::new("ana");
        let page = |before| Page { before, limit: 3 };
        let newest = world.store.events_of(&world.tenant, &ana, page(None)).await.unwrap();
        let rest = world
            .store
            .events_of(&world.tenant, &ana, page(newest.last().map(|r| r.sequence)))
            .await
            .unwrap();
        let times: Vec<_> = newest.iter().chain(&rest).map(|record| record.event.at).collect();
        assert_eq!(times, [4, 3, 2, 1, 0].map(|number| NOW.plus_seconds(number)));
    })
    .await;
}

/// An event that no store can write.
fn unwritable() -> AuditEvent {
    AuditEvent {
        user_id: Some(UserId::new("\0")),
        ..event(Happened::SignedIn)
    }
}

/// A change and its event are one: where the event cannot be written, nothing has changed.
#[tokio::test]
async fn a_change_of_a_grant_whose_event_cannot_be_written_does_not_happen() {
    on_both_engines(async |world| {
        let grant = world.granted("granted").await;
        let credential = world.add_credential("credential", "user", "openai", NOW).await;
        let grant = world.store.grant(&world.tenant, &grant.id).await.unwrap().unwrap();
        let happened = world.kinds().await;
        let (store, event, next) = (&world.store, unwritable(), new_refresh_token("next"));
        let lower = Approved {
            expires_at: NOW.plus_seconds(1),
            ..decision().approved
        };

        assert!(store.revoke_grant(&grant.id, &event).await.is_err());
        assert!(store.pause_grant(&grant.id, &event).await.is_err());
        assert!(store.change_grant(&grant.id, &lower, &event).await.is_err());
        assert!(store.revoke_access_token(&grant.id, "jti", NOW, &event).await.is_err());
        let rotated = store.rotate_refresh_token(&hash("granted"), &next, &event).await;
        assert!(rotated.is_err());
        assert!(store.disable_client(&grant.client_id, &event).await.is_err());
        assert!(store.remove_credential(&credential.id, &event).await.is_err());

        assert_eq!(store.grants(&world.tenant).await.unwrap(), [grant]);
        let old = store
            .refresh_token(&world.tenant, &hash("granted"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((old.rotated_at, old.revoked_at), (None, None));
        let kept = store.credential(&world.tenant, &credential.id).await.unwrap();
        assert_eq!(kept, Some(credential));
        assert_eq!(world.kinds().await, happened);
    })
    .await;
}

#[tokio::test]
async fn a_step_of_consent_whose_event_cannot_be_written_does_not_happen() {
    on_both_engines(async |world| {
        let open = world.asked("asked").await;
        let (_, code) = world.approved("approved").await;
        let happened = world.kinds().await;
        let (store, event) = (&world.store, unwritable());
        let (id, by) = (&open.id, UserId::new("user"));

        let approved = store.approve_request(id, &decision(), &new_code("x"), &event).await;
        assert!(approved.is_err());
        assert!(store.deny_request(id, &by, &event).await.is_err());
        assert!(store.redeem_code(&code, None, &event).await.is_err());
        assert!(store.set_password(&by, "changed", &event).await.is_err());

        let request = store.authorization_request(&world.tenant, id).await.unwrap();
        assert_eq!(request.as_ref(), Some(&open));
        let code = store.code(&world.tenant, &code).await.unwrap().unwrap();
        assert_eq!(code.redeemed_at, None);
        assert_eq!(store.grants(&world.tenant).await.unwrap(), []);
        assert_eq!(store.users(&world.tenant).await.unwrap(), [user("user")]);
        assert_eq!(world.kinds().await, happened);
    })
    .await;
}
