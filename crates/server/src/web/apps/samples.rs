//! The pages about apps, with made-up ones.

use aipassport_domain::{
    grant::GrantStatus,
    ledger::{Amount, Level, LimitRule, LimitState},
    limits::Window,
    money::Money,
    time::Period,
};
use askama::Template;
use jiff::{ToSpan, civil::date};

use super::{
    super::{
        alerts::{AlertRow, AlertStrip},
        app_words, charts,
        page::Section,
        parts::{AppFace, Badge, Spend, Stamp},
        samples::{face, inside, option},
        words,
    },
    view::{
        AccountLimits, AppPage, AppRow, AppsPage, Ask, CallRow, LimitField, LimitsPage, Month, PriceQuestion,
        RefusalRow,
    },
};

fn budget(used: u32, reserved: u32, limit: u32) -> Spend {
    Spend::of(
        &LimitState {
            level: Level::Grant,
            rule: LimitRule::Budget,
            limit: Amount::Money(Money::from_cents(limit)),
            used: Amount::Money(Money::from_cents(used)),
            reserved: Amount::Money(Money::from_cents(reserved)),
            window: Some(Period::MONTH),
            resets_at: None,
        },
        None,
    )
}

fn count(rule: LimitRule, used: u64, limit: u64, window: Window) -> Spend {
    let state = LimitState {
        level: Level::Grant,
        rule,
        limit: Amount::Count(limit),
        used: Amount::Count(used),
        reserved: Amount::Count(0),
        window,
        resets_at: None,
    };
    Spend::of(&state, None)
}

fn row(face: AppFace, status: GrantStatus, spend: Spend, under_way: u32) -> AppRow {
    AppRow {
        grant_id: face.name.replace(' ', "-"),
        face,
        stamp: Stamp::of(status),
        spends: vec![spend],
        under_way,
        last_used: "2 min ago".to_owned(),
        until: "until 30 Nov".to_owned(),
        is_live: !matches!(status, GrantStatus::Revoked | GrantStatus::Expired),
        is_paused: status == GrantStatus::Paused,
        ask: (status == GrantStatus::Exhausted).then(|| Ask {
            words: "Its limit is used up.",
            link: "Raise it",
            href: "/apps/g/limits".to_owned(),
        }),
    }
}

fn month() -> Month {
    let amounts: Vec<Money> = [1, 4, 0, 9, 12, 3, 0, 0, 7, 10, 20, 3, 2, 1, 15, 11]
        .map(Money::from_cents)
        .into();
    Month {
        name: "November".to_owned(),
        spent: "$12.40".to_owned(),
        of: Some("$40.00".to_owned()),
        together: vec![budget(1_240, 5, 4_000)],
        held: None,
        spark: charts::bars(&amounts, 36),
        forecast: Some("on course for $19.00–$23.00".to_owned()),
    }
}

fn alerts() -> AlertStrip {
    let alert = |sentence: &str| AlertRow {
        id: "a".to_owned(),
        sentence: sentence.to_owned(),
        when: "2 min ago".to_owned(),
        raise: Some("/apps/g/limits".to_owned()),
    };
    AlertStrip {
        rows: vec![
            alert("Old bot used up the limit of $3.00 a month."),
            alert("Notes used 80 % of the limit of $5.00 a month."),
        ],
        stopped: vec!["Alerts are no longer sent to hooks.example: it took no message for three days.".to_owned()],
        class: "bad",
        here: "/apps".to_owned(),
    }
}

fn apps(apps: Vec<AppRow>, over: Vec<AppRow>) -> AppsPage {
    AppsPage {
        frame: inside(Section::Apps),
        alerts: alerts(),
        public_url: "http://127.0.0.1:8787".to_owned(),
        has_key: false,
        month: month(),
        can_pause_all: true,
        apps,
        over,
    }
}

fn app() -> AppPage {
    let first = date(2026, 10, 24);
    let spent: Vec<_> = (0..30_i32)
        .map(|day| (first + day.days(), Money::from_cents((day.unsigned_abs() * 7) % 23)))
        .collect();
    let call = |cost: &str, label, outcome| CallRow {
        when: "2 min ago".to_owned(),
        model: "gpt-4o-mini".to_owned(),
        tokens_in: "1,204 (1,024 cached)".to_owned(),
        tokens_out: "512 (128 reasoning)".to_owned(),
        cost: cost.to_owned(),
        exact_cost: "$0.000375".to_owned(),
        label,
        outcome,
    };
    AppPage {
        frame: inside(Section::Apps),
        alerts: alerts(),
        price_question: Some(PriceQuestion {
            words: "It is paused, because it has become dearer than when you allowed it.",
            models: vec!["gpt-4o (OpenAI): a million tokens of input from $2.50 to $3.00".to_owned()],
        }),
        grant_id: "0192f3a4-7c1e-7abc-9def-0123456789ab".to_owned(),
        face: face(),
        stamp: Stamp::of(GrantStatus::Approved),
        is_live: true,
        is_paused: false,
        is_used_up: false,
        purpose: Some("Summarise what you wrote today".to_owned()),
        facts: vec![
            ("May do", "Chat, Embeddings".to_owned()),
            ("Models", "gpt-4o, gpt-4o-mini".to_owned()),
            ("Allowed", "3 Oct, 14:02".to_owned()),
            ("Until", "30 Nov, 14:02".to_owned()),
        ],
        under_way: 2,
        spends: vec![
            budget(410, 2, 500),
            count(LimitRule::Requests, 120, 500, Some(Period::MONTH)),
            count(LimitRule::Rate, 3, 60, Some(Period::MINUTE)),
            count(LimitRule::Concurrency, 2, 4, None),
        ],
        shared: vec![Spend {
            account: words::shared_by(Level::User),
            ..budget(1_240, 5, 4_000)
        }],
        as_a_whole: "/limits/notes".to_owned(),
        days: charts::days(&spent),
        calls: vec![
            call("held $0.0098", "", "under way"),
            call("$0.0004", "reported", "completed"),
            call("$0.0098", "worst case", "the app hung up"),
        ],
        refusals: vec![RefusalRow {
            what: "gpt-5-pro, 12 times: not one of the models you allowed".to_owned(),
            what_would_help: "It would pass if you allowed that model; the app would have to ask again.",
            when: "12 min ago".to_owned(),
        }],
        base_urls: vec![("OpenAI SDK".to_owned(), "http://127.0.0.1:8787/openai/v1".to_owned())],
        app_key: None,
    }
}

fn limits() -> LimitsPage {
    let field = |id: &str, words, is_money, value: &str, per: &str| LimitField {
        id: id.to_owned(),
        name: id.to_owned(),
        words,
        is_money,
        value: value.to_owned(),
        per: per.to_owned(),
        used: Some("$4.10".to_owned()),
    };
    LimitsPage {
        frame: inside(Section::Apps),
        grant_id: "g".to_owned(),
        face: face(),
        errors: Vec::new(),
        accounts: vec![AccountLimits {
            name: "OpenAI".to_owned(),
            numbers: vec![
                field("openai.budget.P1M", "At most", true, "5.00", "a month"),
                field("openai.requests.P1M", "Requests", false, "500", "a month"),
            ],
        }],
        until: vec![
            option("keep", "30 Nov, as it is", true),
            option("3600", "1 hour from now", false),
        ],
        asks_password: true,
    }
}

pub(in super::super) fn pages() -> Vec<(&'static str, String)> {
    let local = app_words::face_of("Shell helper", "http://127.0.0.1:3000", Badge::LOCAL);
    let bot = app_words::face_of("Old bot", "https://bot.example", Badge::UNVERIFIED);
    let full = apps(
        vec![
            row(face(), GrantStatus::Approved, budget(410, 2, 500), 2),
            row(local, GrantStatus::Paused, budget(40, 0, 200), 0),
            row(bot.clone(), GrantStatus::Exhausted, budget(300, 0, 300), 0),
        ],
        vec![row(
            app_words::face_of("Older bot", "https://bot.example", Badge::UNVERIFIED),
            GrantStatus::Revoked,
            budget(3, 0, 300),
            0,
        )],
    );
    vec![
        ("apps", full.render().unwrap()),
        ("apps-none", apps(Vec::new(), Vec::new()).render().unwrap()),
        ("app", app().render().unwrap()),
        ("limits", limits().render().unwrap()),
    ]
}
