//! The shape of the house: its borders, sizes and words, held by a test.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read the tree should say so at once"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every file below `folder` with one of `endings`, as (path from the root, text).
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted))
            {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for krate in ["domain", "providers", "store", "server"] {
        sources.extend(files(&format!("crates/{krate}/src"), &["rs"]));
    }
    sources
}

/// Code without comments, so that a rule may be spoken of.
fn code(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn offenders(is_wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    sources()
        .into_iter()
        .filter(|(name, text)| is_wrong(name, &code(text)))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn crates_depend_downwards_only() {
    for (krate, allowed) in [
        ("domain", vec![]),
        ("providers", vec!["domain"]),
        ("store", vec!["domain"]),
    ] {
        let manifest = fs::read_to_string(root().join(format!("crates/{krate}/Cargo.toml"))).unwrap();
        for other in ["domain", "providers", "store"] {
            let depends = manifest.contains(&format!("aipassport-{other}.workspace"));
            assert!(!depends || allowed.contains(&other), "{krate} depends on {other}");
        }
        assert!(
            !manifest.contains("aipassport.workspace"),
            "{krate} depends on the server"
        );
    }
}

#[test]
fn the_domain_does_no_io_and_knows_no_clock() {
    let forbidden = [
        "std::fs",
        "std::net",
        "std::env",
        "SystemTime",
        "Instant::now",
        "async fn",
        "rand::",
        "tokio",
    ];
    let wrong = offenders(|name, code| {
        name.starts_with("crates/domain/src/") && forbidden.iter().any(|word| code.contains(word))
    });

    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_parts_that_talk_do_not_know_each_other() {
    let parts = ["oauth", "gateway", "web", "api", "jobs"];
    let wrong = offenders(|name, code| {
        let own = parts
            .iter()
            .find(|part| name.starts_with(&format!("crates/server/src/{part}/")));
        own.is_some_and(|own| {
            parts
                .iter()
                .any(|part| part != own && code.contains(&format!("crate::{part}::")))
        })
    });

    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn sql_is_in_the_store_alone() {
    let is_sql = |code: &str| code.contains("sqlx::") || code.contains("rusqlite::");
    let wrong = offenders(|name, code| !name.starts_with("crates/store/") && is_sql(code));

    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_the_gateway_reaches_out() {
    // The sandbox plays other parties: the provider, and the sample app.
    let may = ["crates/server/src/gateway/upstream", "crates/server/src/sandbox/"];
    let reaches = ["client::conn", "TcpStream::connect", "reqwest"];
    let wrong = offenders(|name, code| {
        !may.iter().any(|place| name.starts_with(place)) && reaches.iter().any(|word| code.contains(word))
    });

    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_provider_credential_is_opened_in_one_place() {
    let may = [
        "crates/server/src/gateway/upstream",
        "crates/server/src/vault/mod.rs",
        "crates/server/src/cli/doctor.rs",
    ];
    let wrong = offenders(|name, code| {
        let opens = code.contains("Place::of_credential") && code.contains(".open(");
        opens && !may.iter().any(|place| name.starts_with(place))
    });

    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn time_and_state_come_from_the_app() {
    let globals = ["static mut", "OnceLock", "LazyLock", "lazy_static", "thread_local!"];
    let clocks = offenders(|name, code| name != "crates/server/src/clock.rs" && code.contains("SystemTime::now"));
    let globals = offenders(|_, code| globals.iter().any(|word| code.contains(word)));

    assert_eq!((clocks, globals), (Vec::new(), Vec::new()));
}

#[test]
fn migrations_are_twins() {
    let names = |engine: &str| -> BTreeSet<String> {
        let found = files(&format!("crates/store/migrations/{engine}"), &["sql"]);
        found
            .into_iter()
            .map(|(name, _)| name.rsplit('/').next().unwrap().to_owned())
            .collect()
    };

    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(name, text)| !name.contains("test") && text.lines().count() > 500)
        .map(|(name, _)| name)
        .collect();

    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn every_module_says_what_it_owns() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(name, text)| !text.starts_with("//!") && !name.contains("test"))
        .map(|(name, _)| name)
        .collect();

    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn nothing_is_called_a_manager_or_a_helper() {
    let words = [
        "manager", "service", "handler", "helper", "util", "utils", "common", "misc", "process",
    ];
    let is_vague = |name: &String| {
        let stem = Path::new(name).file_stem().unwrap().to_string_lossy().into_owned();
        stem.split('_').any(|word| words.contains(&word))
    };
    let wrong: Vec<String> = sources().into_iter().map(|(name, _)| name).filter(is_vague).collect();

    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn pages_hold_no_inline_script_or_style() {
    let templates = files("crates/server/src", &["html"]);
    assert!(!templates.is_empty());

    for (name, text) in templates {
        for wrong in [
            " style=\"",
            " onclick=",
            " onsubmit=",
            " onchange=",
            " onload=",
            "javascript:",
            "<style",
        ] {
            assert!(!text.contains(wrong), "{name} has {wrong}");
        }
    }
}

/// `security.md` 169: no key that works anywhere is in the tree.
#[test]
fn threat_169_no_private_key_is_in_the_tree() {
    for folder in ["crates", "docs", "scripts"] {
        for (name, text) in files(
            folder,
            &["rs", "md", "toml", "json", "py", "mjs", "js", "pem", "key", "html"],
        ) {
            assert!(!text.contains(concat!("BEGIN ", "PRIVATE KEY")), "{name}");
        }
    }
}
