//! Authorization requests: decided once, by one, in time.

use aipassport_domain::{
    audit::Happened,
    consent::{AuthorizationRequest, Door, RequestState},
    fixtures::{self, NOW},
    grant::GrantState,
    ids::{AuthorizationRequestId, ClientId, GrantId, TenantId, UserId},
};

use sqlx::Row;

use crate::support::{World, approval, decision, event, grant_created, hash, in_parallel, new_code, on_both_engines};

impl World {
    async fn request(&self, id: &AuthorizationRequestId) -> AuthorizationRequest {
        self.store
            .authorization_request(&self.tenant, id)
            .await
            .unwrap()
            .unwrap()
    }

    pub async fn approve(&self, request: &AuthorizationRequest) -> bool {
        let code = new_code(request.id.as_str());
        self.store
            .approve_request(&request.id, &decision(), &code, &approval(request))
            .await
            .unwrap()
    }

    pub async fn deny(&self, request: &AuthorizationRequest) -> bool {
        let denied = event(Happened::GrantDenied {
            request_id: request.id.clone(),
            client_id: request.client_id.clone(),
        });
        self.store
            .deny_request(&request.id, &UserId::new("user"), &denied)
            .await
            .unwrap()
    }
}

pub fn grant_request() -> Door {
    Door::GrantRequest {
        request_secret: hash("request secret"),
        reason: "To summarise \"notes\"".to_owned(),
    }
}

#[tokio::test]
async fn the_digest_of_what_was_shown_stays_with_the_request() {
    on_both_engines(async |world| {
        let by_code = world.asked("by code").await;
        let at_once = world.asked_through("at once", grant_request()).await;
        let denied = world.asked("denied").await;

        assert!(world.approve(&by_code).await);
        let granted = world
            .store
            .approve_grant_request(&at_once.id, &decision(), &approval(&at_once))
            .await;
        assert!(granted.unwrap().is_some());
        assert!(world.deny(&denied).await);

        let rows = sqlx::query("select id, shown_digest from authorization_requests order by id")
            .fetch_all(&mut world.connection().await)
            .await
            .unwrap();
        let kept: Vec<(String, Option<String>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let digest = decision().shown_digest;
        let expected = [("at once", &digest), ("by code", &digest), ("denied", &None)];
        assert_eq!(kept, expected.map(|(id, digest)| (id.to_owned(), digest.clone())));
    })
    .await;
}

#[tokio::test]
async fn a_request_is_read_back_as_it_was_opened() {
    on_both_engines(async |world| {
        let plain = world.asked("plain").await;
        let scarce = AuthorizationRequest {
            id: AuthorizationRequestId::new("scarce"),
            grant_id: GrantId::new("scarce"),
            door: Door::AuthorizationCode {
                redirect_uri: "https://notes.example/callback".to_owned(),
                state: None,
                code_challenge: "challenge".to_owned(),
                resource: Some("https://broker.example/openai".to_owned()),
            },
            asked: Vec::new(),
            ..fixtures::authorization_request()
        };
        let asked = event(Happened::GrantRequested {
            request_id: scarce.id.clone(),
            client_id: scarce.client_id.clone(),
        });
        world.store.open_authorization_request(&scarce, &asked).await.unwrap();
        let old_door = world.asked_through("0.2", grant_request()).await;

        for request in [plain, scarce, old_door] {
            assert_eq!(world.request(&request.id).await, request);
            let by_grant = world
                .store
                .authorization_request_by_grant(&world.tenant, &request.grant_id)
                .await;
            assert_eq!(by_grant.unwrap(), Some(request.clone()));
            let elsewhere = world
                .store
                .authorization_request(&TenantId::new("elsewhere"), &request.id)
                .await;
            assert_eq!(elsewhere.unwrap(), None);
        }
    })
    .await;
}

#[tokio::test]
async fn only_requests_of_the_old_surface_that_can_still_be_decided_are_pending() {
    on_both_engines(async |world| {
        world.asked("front door").await;
        let decided = world.asked_through("decided", grant_request()).await;
        let open = world.asked_through("open", grant_request()).await;
        world.deny(&decided).await;
        let pending = async |now, limit| {
            world
                .store
                .pending_grant_requests(&world.tenant, now, limit)
                .await
                .unwrap()
        };

        assert_eq!(pending(open.expires_at, 10).await, []);
        assert_eq!(pending(NOW, 0).await, []);
        assert_eq!(pending(NOW, 10).await, [open]);
    })
    .await;
}

#[tokio::test]
async fn an_approval_is_kept_with_who_and_what() {
    on_both_engines(async |world| {
        let request = world.asked("one").await;

        assert!(world.approve(&request).await);

        let state = RequestState::Approved {
            by: UserId::new("user"),
            approved: decision().approved,
            at: NOW,
        };
        assert_eq!(world.request(&request.id).await.state, state);
        assert!(!world.approve(&request).await);
        assert!(!world.deny(&request).await);
        assert_eq!(world.request(&request.id).await.state, state);
        assert_eq!(
            (world.times("grant_approved").await, world.times("grant_denied").await),
            (1, 0)
        );
    })
    .await;
}

#[tokio::test]
async fn a_denial_is_final_and_issues_no_code() {
    on_both_engines(async |world| {
        let request = world.asked("one").await;

        assert!(world.deny(&request).await);

        let state = RequestState::Denied {
            by: UserId::new("user"),
            at: NOW,
        };
        assert_eq!(world.request(&request.id).await.state, state);
        assert!(!world.approve(&request).await);
        assert_eq!(world.store.code(&world.tenant, &hash("one")).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn an_expired_request_is_neither_approved_nor_denied() {
    on_both_engines(async |world| {
        let request = AuthorizationRequest {
            expires_at: NOW,
            ..fixtures::authorization_request()
        };
        let asked = event(Happened::GrantRequested {
            request_id: request.id.clone(),
            client_id: request.client_id.clone(),
        });
        world.store.open_authorization_request(&request, &asked).await.unwrap();

        assert!(!world.approve(&request).await);
        assert!(!world.deny(&request).await);
        assert_eq!(world.request(&request.id).await.state, RequestState::Pending);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_decide_at_once_one_wins() {
    on_both_engines(async |world| {
        let request = world.asked("one").await;

        let won = in_parallel(50, |number| {
            let (store, request) = (world.store.clone(), request.clone());
            async move {
                if number % 2 == 0 {
                    let code = new_code(&number.to_string());
                    store
                        .approve_request(&request.id, &decision(), &code, &approval(&request))
                        .await
                        .unwrap()
                } else {
                    let denied = event(Happened::GrantDenied {
                        request_id: request.id.clone(),
                        client_id: request.client_id.clone(),
                    });
                    store
                        .deny_request(&request.id, &UserId::new("user"), &denied)
                        .await
                        .unwrap()
                }
            }
        })
        .await;

        assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
        assert_eq!(
            world.times("grant_approved").await + world.times("grant_denied").await,
            1
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_of_the_old_surface_becomes_a_grant_when_it_is_approved_once() {
    on_both_engines(async |world| {
        let request = world.asked_through("0.2", grant_request()).await;
        let approve = async || {
            world
                .store
                .approve_grant_request(&request.id, &decision(), &approval(&request))
                .await
                .unwrap()
        };

        let grant = approve().await.unwrap();

        assert_eq!((&grant.id, &grant.user_id), (&request.grant_id, &UserId::new("user")));
        assert_eq!(grant.authorization_details, decision().approved.authorization_details);
        assert_eq!((grant.state, grant.version), (GrantState::Active, 1));
        assert_eq!(world.store.grant(&world.tenant, &grant.id).await.unwrap(), Some(grant));
        assert_eq!(
            world.request(&request.id).await.state,
            RequestState::Redeemed { at: NOW }
        );
        assert_eq!(approve().await, None);
        assert_eq!(world.times("grant_approved").await, 1);
    })
    .await;
}

#[tokio::test]
async fn each_door_is_approved_in_its_own_way() {
    on_both_engines(async |world| {
        let front = world.asked("front").await;
        let old = world.asked_through("old", grant_request()).await;

        assert!(!world.approve(&old).await);
        let made = world
            .store
            .approve_grant_request(&front.id, &decision(), &grant_created())
            .await;
        assert_eq!(made.unwrap(), None);
        for request in [front, old] {
            assert_eq!(world.request(&request.id).await.state, RequestState::Pending);
        }
    })
    .await;
}

#[tokio::test]
async fn no_grant_is_made_for_a_disabled_client() {
    on_both_engines(async |world| {
        let request = world.asked_through("0.2", grant_request()).await;
        let disabled = event(Happened::ClientDisabled {
            client_id: ClientId::new("notes"),
        });
        world.store.disable_client(&request.client_id, &disabled).await.unwrap();

        let made = world
            .store
            .approve_grant_request(&request.id, &decision(), &approval(&request))
            .await;

        assert_eq!(made.unwrap(), None);
        assert_eq!(world.request(&request.id).await.state, RequestState::Pending);
        assert_eq!(world.times("grant_approved").await, 0);
    })
    .await;
}
