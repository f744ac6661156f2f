//! What the program itself tells: in its help, its errors and its settings (`security.md` 157).

use std::process::Command;

use aipassport::config::Config;
use aipassport_domain::secret::Secret;
use aipassport_store::DatabaseUrl;

use crate::support::{CANARY_KEY, TestBroker};

const DATABASE: &str = "postgres://aipassport:canary-55aa1c@127.0.0.1:1/aipassport?password=canary-55aa1c";

/// All that a run of the program says, with secrets in its environment.
fn said(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_aipassport"))
        .args(arguments)
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("AIPASSPORT_DATABASE_URL", DATABASE)
        .env("OPENAI_API_KEY", CANARY_KEY)
        .env("ANTHROPIC_API_KEY", CANARY_KEY)
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn threat_157_neither_help_nor_an_error_repeats_a_secret_of_the_environment() {
    for command in [
        vec!["--help"],
        vec!["serve", "--help"],
        vec!["demo", "--help"],
        vec!["sandbox-provider", "--help"],
        vec!["user", "add", "--help"],
        vec!["credential", "add", "--help"],
        vec!["doctor", "--help"],
        vec!["help", "serve"],
        vec!["--version"],
        vec!["frobnicate"],
        vec!["serve", "--listen", "nowhere"],
        vec!["doctor"],
        vec!["--json", "doctor"],
    ] {
        let said = said(&command);
        assert!(!said.is_empty() && !said.contains("canary"), "{command:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_157_what_is_written_for_debugging_has_no_secret() {
    let broker = TestBroker::start().await;
    let user = broker.user("alice").await;
    let id = broker.credential(&user, "openai", None).await;
    let app = &broker.app;
    let credential = app.store.credential(&app.tenant_id, &id).await.unwrap().unwrap();
    let mut config = Config::local("/nowhere".into());
    config.database = DatabaseUrl::Postgres(DATABASE.to_owned());

    for shown in [
        format!("{config:?}"),
        format!("{config:#?}"),
        format!("{credential:?}"),
        format!("{:?}", app.store),
        format!("{:?}", Secret::new(CANARY_KEY)),
    ] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}
