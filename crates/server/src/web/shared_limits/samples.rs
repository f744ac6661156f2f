//! The page of limits that several grants share, with made-up ones.

use aipassport_domain::{
    ids::{ClientId, UserId},
    ledger::{Amount, Level, LimitRule, LimitState},
    limits::{Limits, Window},
    money::Money,
    time::Period,
};
use aipassport_store::LimitsOf;
use askama::Template;

use super::{SharedLimitsPage, form, in_sum};
use crate::web::{
    page::Section,
    parts::{FieldError, Spend},
    samples::{face, inside},
};

fn limits() -> Limits {
    Limits {
        budget: [
            (Some(Period::DAY), Money::from_cents(200)),
            (Some(Period::MONTH), Money::from_cents(2_000)),
        ]
        .into(),
        requests: [(Some(Period::DAY), 500)].into(),
        rate: [(Period::MINUTE, 60)].into(),
        concurrency: Some(8),
        output_tokens_per_request: None,
    }
}

fn spend(rule: LimitRule, limit: Amount, used: Amount, reserved: Amount, window: Window) -> Spend {
    let state = LimitState {
        level: Level::User,
        rule,
        limit,
        used,
        reserved,
        window,
        resets_at: None,
    };
    Spend::of(&state, None)
}

fn spends() -> Vec<Spend> {
    let money = |cents| Amount::Money(Money::from_cents(cents));
    let count = Amount::Count;
    let (day, month) = (Some(Period::DAY), Some(Period::MONTH));
    vec![
        spend(LimitRule::Budget, money(200), money(200), money(0), day),
        spend(LimitRule::Budget, money(2_000), money(1_240), money(5), month),
        spend(LimitRule::Requests, count(500), count(410), count(2), day),
        spend(LimitRule::Rate, count(60), count(3), count(0), Some(Period::MINUTE)),
        spend(LimitRule::Concurrency, count(8), count(2), count(0), None),
    ]
}

pub(in crate::web) fn pages() -> Vec<(&'static str, String)> {
    let user_id = UserId::new("ana");
    let all = || SharedLimitsPage {
        frame: inside(Section::Apps),
        errors: Vec::new(),
        whose: "All apps together".to_owned(),
        face: None,
        spends: spends(),
        as_it_stands: in_sum(&LimitsOf::User(user_id.clone()), 3, Some(Money::from_cents(1_500))),
        grants: Vec::new(),
        action: "/limits".to_owned(),
        back: "/apps".to_owned(),
        windows: form::windows(&limits(), None),
        others: form::others(&limits(), None),
        asks_password: false,
    };
    let none = SharedLimitsPage {
        spends: Vec::new(),
        windows: form::windows(&Limits::default(), None),
        others: form::others(&Limits::default(), None),
        ..all()
    };
    let of_app = LimitsOf::App {
        user_id: user_id.clone(),
        client_id: ClientId::new("notes"),
    };
    let app = SharedLimitsPage {
        errors: vec![FieldError::new(
            "budget.P1M",
            "Write an amount like 5.00. Or leave it empty for no limit.",
        )],
        whose: "Notes as a whole".to_owned(),
        face: Some(face()),
        as_it_stands: in_sum(&of_app, 2, None),
        grants: vec![
            ("g".to_owned(), "your OpenAI account until 30 Nov".to_owned()),
            ("h".to_owned(), "your Anthropic account until 12 Dec".to_owned()),
        ],
        asks_password: true,
        ..all()
    };
    vec![
        ("limits-of-all", all().render().unwrap()),
        ("limits-of-all-none", none.render().unwrap()),
        ("limits-of-app", app.render().unwrap()),
    ]
}
