//! SQLite fails: full, read-only, locked, gone, or in the commit itself. Nothing is admitted, every
//! caller is told, and the writer goes on when the database does.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aipassport_domain::ledger::Account;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::{super::sqlite, NOW, account, permit};
use crate::{
    StoreError,
    ledger::{Queue, ReserveError},
    turnstile::Turnstile,
};

/// A ledger on a file with one grant, whose connections can be made to fail.
struct Broken {
    queue: Queue,
    path: PathBuf,
    /// The most pages the file may have; 0 when it can only be read, 1 when it cannot be opened.
    most_pages: Arc<AtomicU32>,
    _folder: TempDir,
}

const READ_ONLY: u32 = 0;
const GONE: u32 = 1;
const PLENTY: u32 = 1_000_000;

impl Broken {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let setup = Connection::open(&path).unwrap();
        setup
            .execute_batch(concat!(
                "pragma journal_mode = wal; pragma foreign_keys = off;",
                include_str!("../../../migrations/sqlite/0001_consent_path.sql"),
                include_str!("../../../migrations/sqlite/0002_ledger.sql"),
                include_str!("../../../migrations/sqlite/0003_usage_classes.sql"),
                include_str!("../../../migrations/sqlite/0004_levels.sql"),
                include_str!("../../../migrations/sqlite/0010_alerts.sql"),
                include_str!("../../../migrations/sqlite/0012_revoke_when_used_up.sql"),
                "insert into grants (tenant_id, id, user_id, client_id, authorization_details, version,
                                     created_at, expires_at)
                 values ('default', 'grant', 'user', 'notes', '[]', 1, 0, 0);"
            ))
            .unwrap();
        let state = serde_json::to_string(&account(1_000_000_000)).unwrap();
        setup
            .execute(
                "insert into accounts (tenant_id, level, subject, provider, state)
                 values ('default', 'grant', 'grant', 'openai', ?1)",
                [state],
            )
            .unwrap();

        let most_pages = Arc::new(AtomicU32::new(PLENTY));
        let (file, pages) = (path.clone(), Arc::clone(&most_pages));
        let turnstile = Turnstile::of(&path).view().unwrap();
        let open = move || connect(&file, pages.load(Ordering::SeqCst));
        let queue = sqlite::start_with(open, turnstile, "instance");
        Self {
            queue,
            path,
            most_pages,
            _folder: folder,
        }
    }

    fn other_connection(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    async fn reserve(&self, id: &str) -> Result<(), ReserveError> {
        self.queue.reserve(permit(id, 1), NOW).await.map(drop)
    }

    /// Makes new connections fail like this, and the present one too by failing it once.
    async fn breaks(&self, most_pages: u32) {
        self.most_pages.store(most_pages, Ordering::SeqCst);
        let lock = self.other_connection();
        lock.execute_batch("begin immediate").unwrap();
        assert_eq!(self.reserve("fails").await, Err(ReserveError::Unavailable));
    }

    /// What is in the file is what was admitted, and the account agrees.
    fn assert_calls(&self, expected: u32) {
        let connection = self.other_connection();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
        assert_eq!(count("select count(*) from calls"), expected);
        assert_eq!(count("select count(*) from audit_events"), expected);
        assert_eq!(self.in_flight(), expected);
    }

    fn in_flight(&self) -> u32 {
        let connection = self.other_connection();
        let state: String = connection
            .query_row("select state from accounts", [], |row| row.get(0))
            .unwrap();
        serde_json::from_str::<Account>(&state).unwrap().in_flight()
    }
}

fn connect(path: &Path, most_pages: u32) -> rusqlite::Result<Connection> {
    let flags = match most_pages {
        GONE => return Err(rusqlite::Error::InvalidPath(path.to_owned())),
        READ_ONLY => OpenFlags::SQLITE_OPEN_READ_ONLY,
        _ => OpenFlags::default(),
    };
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(20))?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    if most_pages > GONE {
        connection.query_row(&format!("pragma max_page_count = {most_pages}"), [], |_| Ok(()))?;
    }
    Ok(connection)
}

#[tokio::test]
async fn threat_171_a_full_disk_admits_nothing_and_recovers_when_there_is_room() {
    let ledger = Broken::new();
    ledger.breaks(60).await;

    let mut admitted = 0;
    while ledger.reserve(&format!("call {admitted}")).await.is_ok() {
        admitted += 1;
        assert!(admitted < 10_000, "it never gets full");
    }
    assert_eq!(ledger.reserve("another").await, Err(ReserveError::Unavailable));
    ledger.assert_calls(admitted);

    ledger.most_pages.store(PLENTY, Ordering::SeqCst);
    assert_eq!(ledger.reserve("room again").await, Ok(()));
    ledger.assert_calls(admitted + 1);
}

#[tokio::test]
async fn threat_141_a_database_that_is_read_only_or_gone_admits_nothing_and_recovers() {
    for fault in [READ_ONLY, GONE] {
        let ledger = Broken::new();
        let held = ledger.queue.reserve(permit("before", 1), NOW).await.unwrap();

        ledger.breaks(fault).await;
        assert_eq!(ledger.reserve("during").await, Err(ReserveError::Unavailable));
        ledger.queue.settle(held.released(), NOW);
        let settled = ledger.queue.settled().await;
        assert!(matches!(settled, Err(StoreError::Unavailable(_))), "{settled:?}");
        ledger.assert_calls(1);

        ledger.most_pages.store(PLENTY, Ordering::SeqCst);
        assert!(ledger.queue.settled().await.is_ok());
        assert_eq!(ledger.in_flight(), 0);
    }
}

#[tokio::test]
async fn threat_141_a_database_that_somebody_keeps_locked_admits_nothing_and_recovers() {
    let ledger = Broken::new();
    assert_eq!(ledger.reserve("before").await, Ok(()));

    let lock = ledger.other_connection();
    lock.execute_batch("begin immediate").unwrap();
    assert_eq!(ledger.reserve("during").await, Err(ReserveError::Unavailable));
    lock.execute_batch("rollback").unwrap();

    assert_eq!(ledger.reserve("after").await, Ok(()));
    ledger.assert_calls(2);
}

#[tokio::test]
async fn whoever_stands_at_the_turnstile_for_ever_stops_no_call() {
    let ledger = Broken::new();
    let place = Turnstile::of(&ledger.path).stand().await.unwrap();
    assert_eq!(ledger.reserve("during").await, Ok(()));
    drop(place);
    assert_eq!(ledger.reserve("after").await, Ok(()));
    ledger.assert_calls(2);
}

/// A constraint that is checked at the commit makes the commit itself fail.
#[tokio::test]
async fn threat_141_a_commit_that_fails_admits_none_of_its_batch() {
    let ledger = Broken::new();
    assert_eq!(ledger.reserve("before").await, Ok(()));
    let schema = ledger.other_connection();
    schema
        .execute_batch(
            "create table doomed (id text references calls_that_are_not (id) deferrable initially deferred);
             create table calls_that_are_not (id text primary key);
             create trigger doom after insert on calls begin insert into doomed values (new.id); end;",
        )
        .unwrap();

    let answers = tokio::join!(ledger.reserve("one"), ledger.reserve("two"), ledger.reserve("three"));
    let unavailable = Err(ReserveError::Unavailable);
    assert_eq!(answers, (unavailable.clone(), unavailable.clone(), unavailable));
    ledger.assert_calls(1);

    schema.execute_batch("drop trigger doom").unwrap();
    assert_eq!(ledger.reserve("after").await, Ok(()));
    ledger.assert_calls(2);
}
