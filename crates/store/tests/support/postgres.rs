//! A throw-away PostgreSQL for tests: one server for a test run, one empty database for each test.
//!
//! `scripts/postgres` starts and stops it. It runs until its standard input closes, so the system
//! ends it with this process, however this process ends. A caller that runs several test programs
//! can start one for all of them and name it in `AIPASSPORT_TEST_POSTGRES`.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio, id},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

pub struct Server {
    pub url: String,
    /// Kept, and with it our end of its standard input.
    _process: Option<Child>,
}

/// The URL of the run's server, which is started when it is first asked for.
pub fn server_url() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(Server::find_or_start).url
}

/// The URL of a database of this name on the run's server.
pub fn database_url(name: &str) -> String {
    server_url().replacen("/postgres?", &format!("/{name}?"), 1)
}

/// A name that no other test of this run uses.
pub fn new_database_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}_{}", id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    fn find_or_start() -> Self {
        if let Ok(url) = env::var("AIPASSPORT_TEST_POSTGRES") {
            return Self { url, _process: None };
        }

        Self::start(&[])
    }

    /// One more server, started by `scripts/postgres` with these arguments; it ends with this value.
    pub fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres");
        let mut process = Command::new(&script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()));
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        assert!(
            !url.is_empty(),
            "PostgreSQL did not start: install the package 'postgresql'"
        );
        Self {
            url: url.trim_end().to_owned(),
            _process: Some(process),
        }
    }
}
