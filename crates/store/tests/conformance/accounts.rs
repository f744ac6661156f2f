//! Accounts: opened with their grant, and keeping count when its limits change.

use aipassport_domain::{
    audit::Happened,
    consent::Approved,
    fixtures::{self, NOW},
    grant::Grant,
    ids::ProviderId,
    ledger::{Account, Amount, Level, LimitRule},
    limits::Limits,
    money::Money,
    time::{Period, Timestamp},
};

use crate::support::{World, decision, event, on_both_engines};

impl World {
    async fn account(&self, grant: &Grant, provider: &str) -> Account {
        let state: String =
            sqlx::query_scalar("select state from accounts where level = 'grant' and subject = $1 and provider = $2")
                .bind(grant.id.as_str())
                .bind(provider)
                .fetch_one(&mut self.connection().await)
                .await
                .unwrap();
        serde_json::from_str(&state).unwrap()
    }

    /// A call as the ledger writes it, settled to `cost` if there is one.
    async fn called(&self, grant: &Grant, at: Timestamp, held: i64, cost: Option<i64>) {
        sqlx::query(
            "insert into calls (tenant_id, id, grant_id, user_id, client_id, provider, model, capability, instance_id,
                                held_nanos, output_cap, admitted_at, settled_at, cost_nanos, counted_requests)
             values ('default', $1, $2, 'user', 'notes', 'openai', 'm', 'chat', 'i', $3, 1, $4, $5, $6, $7)",
        )
        .bind(format!("call at {at} of {held}"))
        .bind(grant.id.as_str())
        .bind(held)
        .bind(at.millis())
        .bind(cost.map(|_| at.millis()))
        .bind(cost)
        .bind(cost.map(|_| 1_i64))
        .execute(&mut self.connection().await)
        .await
        .unwrap();
    }

    async fn limit_to(&self, grant: &Grant, limits: Limits) -> Grant {
        let mut changed = Approved {
            authorization_details: grant.authorization_details.clone(),
            expires_at: grant.expires_at,
            revoke_when_used_up: false,
        };
        changed.authorization_details[0].limits = limits;
        self.change(grant, &changed).await
    }

    async fn change(&self, grant: &Grant, changed: &Approved) -> Grant {
        let happened = event(Happened::GrantChanged {
            authorization_details: serde_json::to_value(&changed.authorization_details).unwrap(),
            expires_at: changed.expires_at,
            revoke_when_used_up: false,
        });
        self.store
            .change_grant(&grant.id, changed, &happened)
            .await
            .unwrap()
            .unwrap()
    }
}

#[tokio::test]
async fn a_new_grant_has_an_account_by_its_users_clock() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;

        let expected = Account::open(Level::Grant, &fixtures::access().limits, "Europe/Berlin");
        assert_eq!(world.account(&grant, "openai").await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_newly_limited_window_counts_the_calls_that_fall_into_it() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        let last_week = NOW.plus_seconds(-7 * 86_400);
        world.called(&grant, last_week, 100, Some(40)).await;
        world.called(&grant, NOW, 50, Some(30)).await;
        world.called(&grant, NOW, 7, None).await;

        let limits = Limits {
            budget: [
                (None, Money::from_cents(100)),
                (Some(Period::DAY), Money::from_cents(50)),
            ]
            .into(),
            requests: [(None, 100), (Some(Period::DAY), 50)].into(),
            ..Limits::default()
        };
        world.limit_to(&grant, limits).await;

        let states = world.account(&grant, "openai").await.limits_at(NOW);
        let now: Vec<_> = states
            .iter()
            .map(|state| (state.rule, state.window, state.used, state.reserved))
            .collect();
        let (money, count) = (|nanos| Amount::Money(Money::from_nanos(nanos)), Amount::Count);
        assert_eq!(
            now,
            [
                (LimitRule::Budget, None, money(70), money(7)),
                (LimitRule::Budget, Some(Period::DAY), money(30), money(7)),
                (LimitRule::Requests, None, count(2), count(1)),
                (LimitRule::Requests, Some(Period::DAY), count(1), count(1)),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_is_added_to_a_grant_gets_an_account_and_one_that_is_removed_keeps_its_own() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        let before = world.account(&grant, "openai").await;
        let mut changed = decision().approved;
        changed.authorization_details[0].provider = ProviderId::new("anthropic");

        world.change(&grant, &changed).await;

        let limits = &changed.authorization_details[0].limits;
        assert_eq!(
            world.account(&grant, "anthropic").await,
            Account::open(Level::Grant, limits, "Europe/Berlin")
        );
        assert_eq!(world.account(&grant, "openai").await, before);
    })
    .await;
}
