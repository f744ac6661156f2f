use super::*;

fn load_text(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, text).unwrap();
    let arguments = Arguments {
        config: Some(path),
        data_dir: Some(folder.path().to_owned()),
        ..Arguments::default()
    };
    load(&arguments)
}

/// The example names every setting there is, each with its default.
#[test]
fn the_example_loads_and_changes_nothing() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../aipassport.example.toml");
    let text = std::fs::read_to_string(example).unwrap();
    let uncommented = text
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let folder = tempfile::tempdir().unwrap();
    let shown = |text: &str| {
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, text).unwrap();
        let arguments = Arguments {
            config: Some(path),
            data_dir: Some(folder.path().to_owned()),
            ..Arguments::default()
        };
        format!("{:?}", load(&arguments).unwrap())
    };

    assert_eq!(shown(&text), shown(""));

    let settings = toml::from_str::<toml::Table>(&uncommented).unwrap();
    load_text(&uncommented.replace("/etc/aipassport", "/tmp")).unwrap();
    for section in [
        "tls",
        "upstreams",
        "webhooks",
        "registration",
        "strangers",
        "tokens",
        "grants",
        "requests",
        "log",
    ] {
        assert!(settings.contains_key(section), "{section}");
    }
}

#[test]
fn a_wrong_setting_names_its_file_and_line() {
    for (text, expected) in [
        ("listen = \"127.0.0.1:1\"\nbananas = 1\n", ":2: unknown field `bananas`"),
        ("[tokens]\n\naccess_seconds = \"ten\"\n", ":3: "),
        ("listen = 7\n", ":1: "),
        ("[grants.budget]\namount = \"1e9\"\n", ":2: "),
        ("[strangers]\nrate = { requests = 5 }\n", ":2: "),
    ] {
        let error = load_text(text).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_share_of_nothing_and_a_window_of_changing_length_are_refused() {
    for wrong in [
        "[requests]\nconnections_per_address_percent = 0",
        "[requests]\nconnections_per_address_percent = 101",
        "[strangers]\nrate = { requests = 60, per = \"P1M\" }",
    ] {
        assert!(load_text(wrong).is_err(), "{wrong}");
    }
    let strangers = load_text("[strangers]\nrate = { requests = 5, per = \"PT1H\" }")
        .unwrap()
        .strangers;
    assert_eq!((strangers.requests, strangers.per_seconds), (5, 3600));
}

/// `security.md` 170: plain HTTP is served on loopback, or behind a proxy that was declared.
#[test]
fn threat_170_plain_http_is_served_on_loopback_only() {
    assert!(load_text("listen = \"0.0.0.0:8787\"").is_err());
    assert!(load_text("listen = \"0.0.0.0:8787\"\ntrusted_proxies = [\"10.0.0.1\"]").is_ok());
}

#[test]
fn the_public_url_follows_the_listener_unless_it_is_given() {
    assert_eq!(
        load_text("listen = \"127.0.0.1:9\"").unwrap().public_url,
        "http://127.0.0.1:9"
    );
    assert_eq!(
        load_text("public_url = \"https://ai.example/\"").unwrap().public_url,
        "https://ai.example"
    );
    for wrong in [
        "ai.example",
        "ftp://ai.example",
        "https://ai.example/path",
        "https://u@ai.example",
        "https://ai.example?x",
    ] {
        assert!(load_text(&format!("public_url = {wrong:?}")).is_err(), "{wrong}");
    }
}

/// `security.md` 157: a database password is not repeated in an error.
#[test]
fn threat_157_a_wrong_database_url_is_not_repeated() {
    let error = load_text("database_url = \"mysql://ana:canary@host/db\"").unwrap_err();

    assert!(!error.to_string().contains("canary"));
}
