//! Redeeming, replaying, guessing, rotating, revoking and crashing, in every order that shuttle
//! thinks of.
//!
//! Real are the conditions and decisions. The database is a stand-in: rows with the locks that an
//! update takes until its transaction ends, statements that see what is committed and what their own
//! transaction wrote, and updates that wait for a locked row and then look at it anew, as PostgreSQL
//! does at `read committed`; or one writer at a time, as in SQLite. Each transaction below has the
//! statements of its namesake in `codes.rs`, `refresh_tokens.rs` or `grants.rs`, in the same order.

use std::{collections::BTreeMap, sync::Arc};

use aipassport_domain::{
    consent::Approved,
    fixtures,
    ids::{AuthorizationRequestId, ClientId, GrantId, TokenFamilyId, UserId},
    secret::SecretHash,
    time::Timestamp,
};
use shuttle::{
    rand::{Rng, thread_rng},
    sync::{Mutex, MutexGuard, RwLock},
    thread,
};

use super::Use;
use crate::{CodeRecord, RefreshToken};

const NOW: Timestamp = fixtures::NOW;
/// Names of refresh tokens: that of the redemption by each redeemer, and those of rotations.
type Name = usize;

/// What is committed.
#[derive(Clone)]
struct Rows {
    code: CodeRecord,
    /// `None` until the code is redeemed; then whether it is revoked.
    grant: Option<bool>,
    tokens: BTreeMap<Name, RefreshToken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Code,
    Grant,
    Token(Name),
}

#[derive(Clone, Debug)]
enum Write {
    CodeRedeemed,
    CodeFailed,
    GrantMade,
    GrantRevoked,
    TokenIssued(Name),
    TokenRotated(Name),
    TokenRevoked(Name),
}

impl Rows {
    fn new() -> Self {
        let code = CodeRecord {
            request_id: AuthorizationRequestId::new("request"),
            client_id: ClientId::new("notes"),
            grant_id: GrantId::new("grant"),
            user_id: UserId::new("user"),
            redirect_uri: String::new(),
            code_challenge: String::new(),
            resource: None,
            approved: Approved {
                authorization_details: Vec::new(),
                expires_at: NOW.plus_seconds(3_600),
                revoke_when_used_up: false,
            },
            prices: None,
            expires_at: NOW.plus_seconds(60),
            redeemed_at: None,
            failures: 0,
        };
        Self {
            code,
            grant: None,
            tokens: BTreeMap::new(),
        }
    }

    fn apply(&mut self, write: &Write) {
        match write {
            Write::CodeRedeemed => self.code.redeemed_at = Some(NOW),
            Write::CodeFailed => self.code.failures += 1,
            Write::GrantMade => assert_eq!(self.grant.replace(false), None, "a grant is made once"),
            Write::GrantRevoked => self.grant = Some(true),
            Write::TokenIssued(name) => {
                let is_new = self.tokens.insert(*name, token(*name)).is_none();
                assert!(is_new, "a token is issued once");
            }
            Write::TokenRotated(name) => self.tokens.get_mut(name).unwrap().rotated_at = Some(NOW),
            Write::TokenRevoked(name) => self.tokens.get_mut(name).unwrap().revoked_at = Some(NOW),
        }
    }

    fn is_in_force(&self) -> bool {
        self.grant == Some(false)
    }

    /// The tokens by which somebody could go on.
    fn live_tokens(&self) -> impl Iterator<Item = Name> {
        let live = self.tokens.iter().filter(|(_, token)| token.can_be_rotated());
        live.map(|(name, _)| *name)
    }

    /// What holds whenever anything is committed.
    fn assert_sound(&self) {
        assert_eq!(self.code.redeemed_at.is_some(), self.grant.is_some());
        assert!(self.live_tokens().count() <= 1, "two branches live");
        assert!(
            self.grant != Some(true) || self.live_tokens().next().is_none(),
            "a token outlives its grant"
        );
    }
}

fn token(name: Name) -> RefreshToken {
    RefreshToken {
        hash: SecretHash(vec![u8::try_from(name).unwrap()]),
        grant_id: GrantId::new("grant"),
        client_id: ClientId::new("notes"),
        family_id: TokenFamilyId::new("request"),
        created_at: NOW,
        expires_at: NOW.plus_seconds(3_600),
        rotated_at: None,
        revoked_at: None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// One writer at a time, from the beginning of its transaction.
    Sqlite,
    Postgres,
}

struct Database {
    engine: Engine,
    writer: Mutex<()>,
    committed: RwLock<Rows>,
    locks: BTreeMap<Row, Mutex<()>>,
    /// Whether transactions may fail to commit.
    may_fail: bool,
}

impl Database {
    fn new(engine: Engine, may_fail: bool) -> Self {
        let rows = [Row::Code, Row::Grant].into_iter().chain((0..NAMES).map(Row::Token));
        Self {
            engine,
            writer: Mutex::default(),
            committed: RwLock::new(Rows::new()),
            locks: rows.map(|row| (row, Mutex::default())).collect(),
            may_fail,
        }
    }

    /// A statement of its own, outside of any transaction.
    fn read(&self) -> Rows {
        self.committed.read().unwrap().clone()
    }

    fn begin(&self) -> Transaction<'_> {
        Transaction {
            database: self,
            _writer: (self.engine == Engine::Sqlite).then(|| self.writer.lock().unwrap()),
            held: BTreeMap::new(),
            writes: Vec::new(),
        }
    }
}

/// What was not committed when it is dropped never was.
struct Transaction<'a> {
    database: &'a Database,
    _writer: Option<MutexGuard<'a, ()>>,
    held: BTreeMap<Row, MutexGuard<'a, ()>>,
    writes: Vec<Write>,
}

/// The database went away, before the commit or after it.
#[derive(Debug)]
struct Lost;

impl Transaction<'_> {
    /// What a statement sees.
    fn rows(&self) -> Rows {
        let mut rows = self.database.read();
        self.writes.iter().for_each(|write| rows.apply(write));
        rows
    }

    /// `update … where`: whether a row fits, now that nobody else writes it.
    fn update(&mut self, row: Row, fits: impl Fn(&Rows) -> bool, write: Option<Write>) -> bool {
        if !fits(&self.rows()) {
            return false;
        }
        if !self.held.contains_key(&row) {
            let lock = self.database.locks[&row].lock().unwrap();
            if !fits(&self.rows()) {
                return false;
            }
            self.held.insert(row, lock);
        }
        self.writes.extend(write);
        true
    }

    fn insert(&mut self, write: Write) {
        self.writes.push(write);
    }

    fn commit(self) -> Result<(), Lost> {
        let fate = if self.database.may_fail {
            thread_rng().gen_range(0..8)
        } else {
            8
        };
        if fate == 0 {
            return Err(Lost);
        }
        let mut committed = self.database.committed.write().unwrap();
        self.writes.iter().for_each(|write| committed.apply(write));
        committed.assert_sound();
        if fate == 1 { Err(Lost) } else { Ok(()) }
    }

    /// `grants::revoke`: the grant, then its tokens.
    fn revoke(&mut self) -> bool {
        let revoked = self.update(Row::Grant, Rows::is_in_force, Some(Write::GrantRevoked));
        if revoked {
            for name in self.rows().tokens.into_keys() {
                let is_unrevoked = |rows: &Rows| rows.tokens[&name].revoked_at.is_none();
                self.update(Row::Token(name), is_unrevoked, Some(Write::TokenRevoked(name)));
            }
        }
        revoked
    }
}

// Each of these returns what a client or user is told; `Err` where it is told nothing.

fn redeem_code(database: &Database, name: Name) -> Result<Use, Lost> {
    let mut tx = database.begin();
    let is_written = tx.update(
        Row::Code,
        |rows| rows.code.can_be_redeemed(NOW),
        Some(Write::CodeRedeemed),
    );
    let used = tx.rows().code.used(is_written);
    match used {
        Use::First => {
            tx.insert(Write::GrantMade);
            tx.insert(Write::TokenIssued(name));
            tx.commit()?;
        }
        Use::Again => {
            tx.revoke();
            tx.commit()?;
        }
        Use::Over => {}
    }
    Ok(used)
}

fn count_code_failure(database: &Database) -> Result<Use, Lost> {
    let mut tx = database.begin();
    let is_written = tx.update(Row::Code, |rows| rows.code.can_fail(), Some(Write::CodeFailed));
    let used = tx.rows().code.used(is_written);
    if used == Use::Again {
        tx.revoke();
    }
    tx.commit()?;
    Ok(used)
}

fn replay_code(database: &Database) -> Result<(), Lost> {
    let mut tx = database.begin();
    tx.revoke();
    tx.commit()
}

/// The token endpoint: a code that was redeemed is a replay, whatever comes with it.
fn bring_code(database: &Database, with_verifier: Option<Name>) -> Result<Use, Lost> {
    let code = database.read().code;
    if code.redeemed_at.is_some() {
        return replay_code(database).map(|()| Use::Again);
    }
    match with_verifier {
        Some(name) => redeem_code(database, name),
        None => count_code_failure(database),
    }
}

fn rotate_refresh_token(database: &Database, old: Name, new: Name) -> Result<Use, Lost> {
    let mut tx = database.begin();
    let token = tx.rows().tokens[&old].clone();
    tx.update(Row::Grant, |rows| rows.grant.is_some(), None);
    if !tx.rows().is_in_force() {
        return Ok(Use::Over);
    }
    let can_be_rotated = |rows: &Rows| rows.tokens[&old].can_be_rotated();
    let is_written = tx.update(Row::Token(old), can_be_rotated, Some(Write::TokenRotated(old)));
    let used = token.used(is_written, NOW);
    match used {
        Use::First => tx.insert(Write::TokenIssued(new)),
        Use::Again => {
            tx.revoke();
        }
        Use::Over => return Ok(used),
    }
    tx.commit()?;
    Ok(used)
}

fn revoke_grant(database: &Database) -> Result<bool, Lost> {
    let mut tx = database.begin();
    tx.revoke();
    let is_revoked = tx.rows().grant == Some(true);
    tx.commit()?;
    Ok(is_revoked)
}

const REDEEMERS: usize = 3;
/// Each redeemer rotates once, and so does a thief of its token.
const NAMES: usize = 3 * REDEEMERS;

/// What everybody was told.
#[derive(Default)]
struct Told {
    won: usize,
    /// Somebody was told that a code or token had been used before.
    again: bool,
    /// Somebody was told that the grant is revoked.
    revoked: bool,
}

impl Told {
    fn hear(&mut self, used: &Result<Use, Lost>) {
        self.again |= matches!(used, Ok(Use::Again));
    }
}

/// Redeems, then rotates what it got while a thief does the same.
fn redeemer(database: &Arc<Database>, told: &Arc<Mutex<Told>>, name: Name, has_thief: bool) {
    let redeemed = bring_code(database, Some(name));
    told.lock().unwrap().hear(&redeemed);
    if !matches!(redeemed, Ok(Use::First)) {
        return;
    }
    told.lock().unwrap().won += 1;
    let rotate = |new: Name| {
        let (database, told) = (Arc::clone(database), Arc::clone(told));
        move || {
            let was_revoked = told.lock().unwrap().revoked;
            let rotated = rotate_refresh_token(&database, name, new);
            assert!(
                !was_revoked || !matches!(rotated, Ok(Use::First)),
                "nothing is rotated after a revocation has returned"
            );
            told.lock().unwrap().hear(&rotated);
        }
    };
    let thief = has_thief.then(|| thread::spawn(rotate(REDEEMERS + name)));
    rotate(2 * REDEEMERS + name)();
    if let Some(thief) = thief {
        thief.join().unwrap();
    }
}

/// Redeemers with one code; where there is an attacker, one who brings the code without its verifier
/// and a thief of the token that was won; and maybe a user who revokes.
fn everybody(engine: Engine, may_fail: bool, redeemers: usize, has_attacker: bool, revokes: bool) {
    let database = Arc::new(Database::new(engine, may_fail));
    let told = Arc::new(Mutex::new(Told::default()));
    let mut threads = Vec::new();
    for name in 0..redeemers {
        let (database, told) = (Arc::clone(&database), Arc::clone(&told));
        threads.push(thread::spawn(move || redeemer(&database, &told, name, has_attacker)));
    }
    if has_attacker {
        let (database, told) = (Arc::clone(&database), Arc::clone(&told));
        threads.push(thread::spawn(move || {
            for _ in 0..2 {
                let guessed = bring_code(&database, None);
                told.lock().unwrap().hear(&guessed);
            }
        }));
    }
    if revokes {
        let (database, told) = (Arc::clone(&database), Arc::clone(&told));
        threads.push(thread::spawn(move || {
            if let Ok(true) = revoke_grant(&database) {
                told.lock().unwrap().revoked = true;
            }
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }

    let (rows, told) = (database.read(), told.lock().unwrap());
    rows.assert_sound();
    assert!(told.won <= 1, "one wins");
    assert!(told.won == 0 || rows.grant.is_some(), "what was won is there");
    if told.again || told.revoked {
        assert_eq!(
            rows.grant,
            Some(true),
            "who was told that it is over was told the truth"
        );
    }
    if !may_fail {
        assert_eq!(told.won, 1, "one does win");
        if redeemers > 1 || has_attacker {
            assert_eq!(rows.grant, Some(true), "the others end what was won");
        }
    }
}

fn check(scenario: impl Fn(Engine) + Send + Sync + Copy + 'static) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        shuttle::check_random(move || scenario(engine), 600);
        shuttle::check_pct(move || scenario(engine), 200, 3);
    }
}

#[test]
fn threat_95_in_every_order_one_redemption_wins_and_the_others_end_what_it_won() {
    check(|engine| everybody(engine, false, REDEEMERS, false, false));
}

#[test]
fn threat_94_in_every_order_a_replay_ends_all_that_came_of_the_code() {
    check(|engine| everybody(engine, false, 2, true, true));
}

#[test]
fn threat_98_in_every_order_a_token_that_is_used_again_ends_its_grant() {
    check(|engine| everybody(engine, false, 1, true, false));
}

#[test]
fn threat_140_no_transaction_that_is_lost_at_any_moment_makes_a_second_winner() {
    check(|engine| everybody(engine, true, REDEEMERS, true, true));
}
