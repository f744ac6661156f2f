//! Whose turn it is to write to the SQLite file.
//!
//! SQLite keeps no queue: whoever finds the file locked sleeps and looks again, and a ledger that
//! commits one batch after another has taken it anew each time they look. So whoever is about to
//! write, in whatever process, first stands at a turnstile, the lock of a file beside the database,
//! and leaves it once the database is theirs. The ledger never stands there, but begins no batch
//! while somebody does. All this is a courtesy and decides nothing: who has waited long enough goes
//! past, and the lock of the database itself is what counts.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long one stands in line behind others.
const LONGEST_LINE: Duration = Duration::from_secs(5);
/// How long the ledger waits: several times what whoever stands there needs, once it gives way.
const LONGEST_COURTESY: Duration = Duration::from_millis(250);
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(crate) struct Turnstile {
    path: PathBuf,
}

/// A place at the turnstile, left when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _locked: File,
}

/// The turnstile as the ledger sees it.
#[derive(Debug)]
pub(crate) struct View {
    file: File,
}

impl Turnstile {
    /// The one of the database at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        let mut path = path.as_os_str().to_owned();
        path.push("-turn");
        Self { path: path.into() }
    }

    /// Stands at the turnstile, when whoever came before has left.
    pub(crate) async fn stand(&self) -> Option<Place> {
        let file = self.open().ok()?;
        let began = Instant::now();
        while is_locked(&file) {
            if began.elapsed() > LONGEST_LINE {
                return None;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Some(Place { _locked: file })
    }

    pub(crate) fn view(&self) -> io::Result<View> {
        Ok(View { file: self.open()? })
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.path)
    }
}

impl View {
    /// Waits while somebody stands there.
    pub(crate) fn give_way(&self) {
        let began = Instant::now();
        while is_locked(&self.file) && began.elapsed() < LONGEST_COURTESY {
            thread::sleep(BETWEEN_LOOKS);
        }
        // One that was not locked is not unlocked either.
        let _ = self.file.unlock();
    }
}

/// Whether somebody else has locked the file; if not, it is locked now.
fn is_locked(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}
