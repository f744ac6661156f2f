//! Every page drawn from made-up data: written to `target/pages` to be looked at, and checked for
//! what must hold on each.

use std::{fs, path::PathBuf};

use aipassport_domain::grant::GrantStatus;
use askama::Template;

use super::{
    activity::{ActivityPage, EventRow},
    app_words, apps,
    consent::{self, Choosable},
    error::{Message, Onward},
    keys::{KeyRow, KeysPage},
    page::{Frame, Section},
    parts::{AppFace, Badge, FieldError, Stamp},
    prices::PriceRow,
    register::{Entered, RegisterPage, RegisteredPage},
    settings::SettingsPage,
    shared_limits,
    sign_in::{FirstRunPage, SignInPage},
    webhooks::{NewSecret, WebhookRow, WebhooksPart},
};

pub(super) fn face() -> AppFace {
    app_words::face_of("Notes", "https://notes.example", Badge::CHECKED)
}

pub(super) fn inside(section: Section) -> Frame {
    Frame::sample(Some("ana@example.org"), Some(section))
}

pub(super) fn option(value: &str, words: &str, is_selected: bool) -> Choosable {
    Choosable {
        value: value.to_owned(),
        words: words.to_owned(),
        is_selected,
    }
}

fn sign_in() -> Vec<(&'static str, String)> {
    let page = |failure| SignInPage {
        frame: Frame::sample(None, None),
        failure,
        return_to: "/apps".to_owned(),
        name: String::new(),
        one_click: None,
    };
    let first_run = FirstRunPage {
        frame: Frame::sample(None, None),
    };
    vec![
        ("sign-in", page(None).render().unwrap()),
        (
            "sign-in-failed",
            page(Some("That name and password do not belong together."))
                .render()
                .unwrap(),
        ),
        ("first-run", first_run.render().unwrap()),
    ]
}

fn keys() -> Vec<(&'static str, String)> {
    let key = |provider: &str, refused: Option<&str>| KeyRow {
        id: provider.to_owned(),
        provider_name: provider.to_owned(),
        last_four: "4f2a".to_owned(),
        added: "added 3 Oct".to_owned(),
        last_used: "used 2 min ago".to_owned(),
        base_url: None,
        refused: refused.map(str::to_owned),
        check: refused
            .is_none()
            .then(|| format!("{provider} accepts it, checked 3 Oct.")),
        used_by: "Used by Notes, Shell helper".to_owned(),
        consequence: Some("2 apps will stop working".to_owned()),
    };
    let page = |keys| KeysPage {
        frame: inside(Section::Keys),
        errors: Vec::new(),
        return_to: None,
        may_save_anyway: false,
        keys,
        providers: vec![
            option("openai", "OpenAI", true),
            option("anthropic", "Anthropic", false),
        ],
        servers: vec![option("ollama", "Ollama", true), option("vllm", "vLLM", false)],
        prices: vec![PriceRow {
            provider: "ollama".to_owned(),
            model: String::new(),
            of: "Ollama: every model".to_owned(),
            words: "free".to_owned(),
        }],
        server_name: String::new(),
        server_base_url: String::new(),
        has_price_error: true,
        priced: vec![option("openai", "OpenAI", true), option("ollama", "Ollama", false)],
    };
    vec![
        (
            "keys",
            page(vec![
                key("OpenAI", None),
                key(
                    "Anthropic",
                    Some("Refused by Anthropic yesterday 14:02: make a new one there."),
                ),
            ])
            .render()
            .unwrap(),
        ),
        ("keys-none", page(Vec::new()).render().unwrap()),
    ]
}

fn activity() -> (&'static str, String) {
    let event = |sentence: &str, when: &str| EventRow {
        sentence: sentence.to_owned(),
        grant_id: Some("g".to_owned()),
        datetime: "2026-11-22T12:00:00Z".to_owned(),
        when: when.to_owned(),
    };
    let page = ActivityPage {
        frame: inside(Section::Activity),
        filters: vec![
            option("", "Everything", true),
            option("money", "Calls and money", false),
        ],
        events: vec![
            event("Notes was stopped: its monthly limit was reached.", "2 min ago"),
            event(
                "You allowed Notes to use your OpenAI account until 30 Nov.",
                "yesterday 14:02",
            ),
            event("You signed in.", "yesterday 13:58"),
        ],
        older: Some("/activity?before=3".to_owned()),
    };
    ("activity", page.render().unwrap())
}

fn settings_and_register() -> Vec<(&'static str, String)> {
    let settings = SettingsPage {
        frame: inside(Section::Settings).with_notice(Some("Your password was changed.")),
        errors: Vec::new(),
        new_bearer: Some("aip_api_Zk3vLr0d7zq2Yw8kC1mT5nX9bV4hJ6gF0sPqRtUvWxY".to_owned()),
        user_name: "ana@example.org".to_owned(),
        time_zones: vec![
            option("Europe/Berlin", "Europe/Berlin", true),
            option("UTC", "UTC", false),
        ],
        webhooks: WebhooksPart {
            rows: vec![WebhookRow {
                id: "w".to_owned(),
                host: "hooks.example".to_owned(),
                url: "https://hooks.example/alerts".to_owned(),
                description: "Tells the family".to_owned(),
                state: "The last message arrived 2 min ago.".to_owned(),
                is_stopped: false,
            }],
            new_secret: Some(NewSecret {
                host: "hooks.example".to_owned(),
                text: "whsec_Zk3vLr0d7zq2Yw8kC1mT5nX9bV4hJ6gF0sPqRtUvWxY=".to_owned(),
            }),
            has_room: true,
            ..WebhooksPart::default()
        },
        has_password: true,
        asks_password: true,
    };
    let register = RegisterPage {
        frame: inside(Section::Apps),
        errors: vec![FieldError::new(
            "redirect_uris",
            "A redirect URI is https, or http on this machine.",
        )],
        entered: Entered {
            name: "Notes".to_owned(),
            address: "https://notes.example".to_owned(),
            redirect_uris: "http://notes.example/callback".to_owned(),
            is_confidential: true,
        },
    };
    let registered = RegisteredPage {
        frame: inside(Section::Apps),
        public_url: "http://127.0.0.1:8787".to_owned(),
        name: "Notes".to_owned(),
        client_id: "0192f3a4-7c1e-7abc-9def-0123456789ab".to_owned(),
        secret: Some("aip_cs_Zk3vLr0d7zq2Yw8kC1mT5nX9bV4hJ6gF0sPqRtUvWxY".to_owned()),
    };
    vec![
        ("settings", settings.render().unwrap()),
        ("register", register.render().unwrap()),
        ("registered", registered.render().unwrap()),
    ]
}

fn messages() -> Vec<(&'static str, String)> {
    let frame = || Frame::sample(Some("ana@example.org"), None);
    let mut allowed = Message::new(
        frame(),
        "Notes may use your OpenAI account",
        &["At most $5.00 a month, until 22 Dec. Taking you back to notes.example."],
    );
    allowed.stamp = Some(Stamp::of(GrantStatus::Approved));
    allowed.onward = Some(Onward {
        href: "/oauth/authorize/answer/1".to_owned(),
        words: "Back to Notes".to_owned(),
        by_itself: false,
    });
    allowed.reference = Some((
        "Saved to your activity as",
        "0192f3a4-7c1e-7abc-9def-0123456789ab".to_owned(),
    ));
    let mut denied = Message::new(frame(), "Notes gets nothing", &["It is told so, and no more."]);
    denied.stamp = Some(Stamp::of(GrantStatus::Denied));
    let mut over = Message::new(
        frame(),
        "This question is no longer open",
        &["It was asked more than ten minutes ago. Start again in the app."],
    );
    over.stamp = Some(Stamp::of(GrantStatus::Expired));
    vec![
        ("allowed", allowed.render().unwrap()),
        ("denied", denied.render().unwrap()),
        ("expired", over.render().unwrap()),
    ]
}

fn all() -> Vec<(&'static str, String)> {
    let mut pages = sign_in();
    pages.extend(keys());
    pages.push(activity());
    pages.extend(settings_and_register());
    pages.extend(messages());
    pages.extend(consent::samples::pages());
    pages.extend(apps::samples::pages());
    pages.extend(shared_limits::samples::pages());
    pages
}

#[test]
fn every_page_can_be_looked_at() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/pages");
    let statics = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/web/static");
    let kept = super::assets::address("x");
    let kept = folder.join(kept.trim_start_matches('/').trim_end_matches("/x"));
    fs::create_dir_all(&kept).unwrap();
    for file in fs::read_dir(statics).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), kept.join(file.file_name())).unwrap();
    }
    for (name, html) in all() {
        fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
}
