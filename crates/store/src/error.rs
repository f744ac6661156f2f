//! What can go wrong: one opaque failure, and the few refusals a caller can do something about.

use std::path::PathBuf;

/// A method of the store did not do what it says; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, full, locked or broken. The cause is for our logs only.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What must be unique (a user's name, an id) is in use.
    #[error("already taken")]
    Taken,
    /// Text with a NUL character: PostgreSQL cannot store it, so neither engine does.
    #[error("text must not contain a NUL character")]
    Unstorable,
}

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the database at {at}: {source}")]
    Unreachable {
        at: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{path} may be read by others: run chmod 600 on it", path = path.display())]
    OpenToOthers { path: PathBuf },
    #[error("the database was written by a newer version (schema {found}, this version knows {known}): upgrade first")]
    Newer { found: i64, known: i64 },
    #[error("migration {0} was interrupted half way: restore the backup taken before it, then start again")]
    HalfMigrated(String),
    #[error("migration {0} is not the one that was applied: use a released version")]
    Changed(String),
}
