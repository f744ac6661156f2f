//! The audit log: in order, in pages, each event as it was written.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    fixtures::NOW,
    ids::{ClientId, GrantId, TenantId, UserId},
};
use aipassport_store::Page;

use crate::support::{event, on_both_engines};

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
