//! The consent page with made-up requests.

use askama::Template;

use super::{
    super::{
        app_words,
        page::Frame,
        parts::{AppFace, Badge, FieldError},
        samples::{face, option},
    },
    view::{AccountTerms, BudgetField, ConsentPage, NumberField, Presets, Tick},
};

fn tick(value: &str, words: &str, hint: &str, is_on: bool) -> Tick {
    Tick {
        value: value.to_owned(),
        words: words.to_owned(),
        hint: hint.to_owned(),
        is_on,
        is_off_for_good: false,
    }
}

fn account(provider: &str, provider_name: &str) -> AccountTerms {
    AccountTerms {
        provider: provider.to_owned(),
        provider_name: provider_name.to_owned(),
        key_hint: "sk-…",
        has_key: true,
        include: None,
        capabilities: vec![
            tick("chat", "Chat", "", true),
            tick("embeddings", "Embeddings", "", true),
        ],
        features: Vec::new(),
        models_sentence: "4 models it asked for, $–$$".to_owned(),
        models_open: false,
        models: vec![
            tick("gpt-4o-mini", "gpt-4o-mini", "$", true),
            tick("gpt-4o", "gpt-4o", "$$", true),
        ],
        names_models: None,
        future: Vec::new(),
        budgets: vec![BudgetField {
            id: format!("{provider}.budget.P1M"),
            name: format!("{provider}.budget.P1M"),
            per: "a month".to_owned(),
            amount: String::new(),
            presets: vec![
                tick("1.00", "$1 to try", "", false),
                tick("5.00", "$5 as asked", "", true),
            ],
            estimate: Some("About 900 short questions. One answer costs at most $0.12.".to_owned()),
        }],
        switches: vec![tick("streaming", "Answers as they are written", "Streaming.", true)],
        more: vec![NumberField {
            id: format!("{provider}.requests.P1M"),
            name: format!("{provider}.requests.P1M"),
            words: "Requests".to_owned(),
            value: "500".to_owned(),
            per: "a month".to_owned(),
        }],
        capability_field: format!("{provider}.capability"),
        model_field: format!("{provider}.model"),
    }
}

fn page(app: AppFace, accounts: Vec<AccountTerms>) -> ConsentPage {
    ConsentPage {
        frame: {
            let mut frame = Frame::sample(Some("ana@example.org"), None);
            frame.return_here = Some("/consent/1".to_owned());
            frame
        },
        request_id: "1".to_owned(),
        digest: "d".to_owned(),
        ticket: "t".to_owned(),
        app,
        warnings: Vec::new(),
        accounts_sentence: "OpenAI account".to_owned(),
        purpose: Some("Summarise what you wrote today".to_owned()),
        errors: Vec::new(),
        presets: None,
        can_allow: accounts.iter().any(|account| account.has_key),
        accounts,
        stop_when_used_up: Some(false),
        until: vec![
            option("3600", "1 hour", false),
            option("2592000", "30 days, as asked", true),
        ],
        more_sentence: "500 requests a month, 60 a minute, 4 at once".to_owned(),
        more_open: false,
        answer_to: "notes.example".to_owned(),
        raw_request: "[\n  {\n    \"type\": \"ai_access\"\n  }\n]".to_owned(),
    }
}

pub(in super::super) fn pages() -> Vec<(&'static str, String)> {
    let plain = page(face(), vec![account("openai", "OpenAI")]);

    let mut wary = page(
        app_words::face_of("OpenAl Notes", "http://127.0.0.1:3000", Badge::LOCAL),
        vec![account("openai", "OpenAI"), account("anthropic", "Anthropic")],
    );
    wary.accounts_sentence = "OpenAI and Anthropic accounts".to_owned();
    wary.warnings = vec!["The name looks like “OpenAI”, but the address is not OpenAI’s.".to_owned()];
    wary.errors = vec![FieldError::new(
        "openai.budget.P1M",
        "Write an amount like 5.00, at most 5.00.",
    )];
    for wary in &mut wary.accounts {
        wary.include = Some(tick("yes", "", "", true));
        wary.features = vec![tick(
            "web_search",
            "Search the web",
            "The provider charges for each search.",
            false,
        )];
        wary.models_open = true;
    }

    let mut keyless = page(face(), vec![account("openai", "OpenAI")]);
    keyless.accounts[0].has_key = false;
    keyless.can_allow = false;

    let mut presets = page(face(), Vec::new());
    presets.can_allow = true;
    presets.accounts_sentence = "AI accounts".to_owned();
    presets.presets = Some(Presets {
        sizes: vec![
            tick("try", "A little, to try", "$1 in all, for a day, models marked $", true),
            tick(
                "everyday",
                "Every day",
                "$5 a month, for 30 days, models up to $$",
                false,
            ),
            tick("more", "A lot", "$20 a month, for 30 days, every model", false),
        ],
        providers: vec![
            tick("openai", "OpenAI", "key …4f2a", true),
            tick("anthropic", "Anthropic", "key …9c1d", false),
        ],
    });

    vec![
        ("consent", plain.render().unwrap()),
        ("consent-wary", wary.render().unwrap()),
        ("consent-keyless", keyless.render().unwrap()),
        ("consent-presets", presets.render().unwrap()),
    ]
}
