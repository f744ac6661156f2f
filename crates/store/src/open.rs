//! Opening and closing a store.

use std::{path::PathBuf, sync::Arc};

use sqlx::AnyPool;

use crate::error::{OpenError, StoreError};

/// Where the store lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file of our own, made with mode 0600 when it is missing.
    Sqlite(PathBuf),
    /// `postgres://…`
    Postgres(String),
}

/// The store; a clone is the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: AnyPool,
    engine: Engine,
    instance_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Store {
    /// Opens the store and brings its schema up to date; refuses a newer or half-migrated one.
    ///
    /// Several processes may open one store at the same time; one of them migrates, the others wait.
    pub async fn open(url: &DatabaseUrl, instance_id: &str) -> Result<Self, OpenError> {
        todo!("{url:?} {instance_id}")
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    /// The number of the last migration applied.
    pub async fn schema_version(&self) -> Result<i64, StoreError> {
        todo!()
    }

    pub(crate) fn pool(&self) -> &AnyPool {
        &self.inner.pool
    }

    pub(crate) fn engine(&self) -> Engine {
        self.inner.engine
    }

    pub(crate) fn instance_id(&self) -> &str {
        &self.inner.instance_id
    }
}
