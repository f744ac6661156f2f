//! What AIPassport remembers.

/// The database.
#[derive(Clone)]
pub struct Store;

/// Which database.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    Sqlite(std::path::PathBuf),
    Postgres(String),
}
