//! Running one SQL text on either engine: values in, rows out, errors mapped once.

use std::borrow::Cow;

use aipassport_domain::{
    ids::{
        AppKeyId, AuthorizationRequestId, CallId, ClientId, CredentialId, GrantId, KeyId, ProviderId, TenantId,
        TokenFamilyId, UserId, WebhookId,
    },
    secret::{Sealed, SecretHash},
    time::Timestamp,
};
use sqlx::{
    Any, Executor, Row as _, SqlSafeStr, SqlStr,
    any::{AnyArguments, AnyRow},
    error::DatabaseError,
    query::Query,
};

use crate::{Store, StoreError, open::Engine};

/// A transaction that may write; dropped without `commit` it never happened.
pub(crate) type Transaction = sqlx::Transaction<'static, Any>;

impl Store {
    /// Begins a transaction that may write.
    ///
    /// On SQLite it takes the write lock at once: one that began by reading could find, when it
    /// comes to write, that what it read has changed, and fail.
    pub(crate) async fn begin_write(&self) -> Result<Transaction, StoreError> {
        let begin = match self.engine() {
            Engine::Sqlite => "begin immediate",
            Engine::Postgres => "begin isolation level read committed",
        };
        let _place = self.turn().await;
        self.pool().begin_with(begin).await.map_err(StoreError::from)
    }

    /// Runs one statement that writes, as a transaction of its own. How many rows it changed.
    pub(crate) async fn write(&self, statement: Statement) -> Result<u64, StoreError> {
        let _place = self.turn().await;
        statement.execute(self.pool()).await
    }

    /// Begins a transaction that only reads, and sees one moment however long it takes.
    pub(crate) async fn begin_snapshot(&self) -> Result<Transaction, StoreError> {
        let begin = match self.engine() {
            Engine::Sqlite => "begin",
            Engine::Postgres => "begin isolation level repeatable read read only",
        };
        self.pool().begin_with(begin).await.map_err(StoreError::from)
    }
}

pub(crate) fn engine_of(tx: &Transaction) -> Engine {
    match tx.backend_name() {
        "PostgreSQL" => Engine::Postgres,
        _ => Engine::Sqlite,
    }
}

/// A statement and its values, in the order of `$1`, `$2`, ….
pub(crate) struct Statement {
    text: SqlStr,
    values: AnyArguments,
    has_nul: bool,
}

pub(crate) fn sql(text: impl SqlSafeStr) -> Statement {
    Statement {
        text: text.into_sql_str(),
        values: AnyArguments::default(),
        has_nul: false,
    }
}

impl Statement {
    pub(crate) fn bind<'a>(mut self, value: impl Into<Value<'a>>) -> Self {
        match value.into() {
            Value::Text(text) => {
                self.has_nul |= text.as_ref().is_some_and(|text| text.contains('\0'));
                self.put(text.map(Cow::into_owned));
            }
            Value::Integer(integer) => self.put(integer),
            Value::Bytes(bytes) => self.put(bytes.map(<[u8]>::to_vec)),
        }
        self
    }

    fn put<T>(&mut self, value: Option<T>)
    where
        Option<T>: for<'q> sqlx::Encode<'q, Any> + sqlx::Type<Any>,
    {
        // Adding to arguments of the `Any` driver cannot fail: it only takes the value over.
        let _ = sqlx::Arguments::add(&mut self.values, value);
    }

    /// How many rows it changed.
    pub(crate) async fn execute<'c>(self, on: impl Executor<'c, Database = Any>) -> Result<u64, StoreError> {
        match self.ready()? {
            Some(query) => Ok(query.execute(on).await?.rows_affected()),
            None => Ok(0),
        }
    }

    /// Whether it changed the one row it is about: a conditional write that decides.
    pub(crate) async fn changed<'c>(self, on: impl Executor<'c, Database = Any>) -> Result<bool, StoreError> {
        Ok(self.execute(on).await? > 0)
    }

    pub(crate) async fn first<'c>(self, on: impl Executor<'c, Database = Any>) -> Result<Option<Row>, StoreError> {
        match self.ready()? {
            Some(query) => Ok(query.fetch_optional(on).await?.map(Row)),
            None => Ok(None),
        }
    }

    pub(crate) async fn all<'c>(self, on: impl Executor<'c, Database = Any>) -> Result<Vec<Row>, StoreError> {
        match self.ready()? {
            Some(query) => Ok(query.fetch_all(on).await?.into_iter().map(Row).collect()),
            None => Ok(Vec::new()),
        }
    }

    /// `None` for a question about text with a NUL: as none is stored, nothing matches.
    fn ready(self) -> Result<Option<Query<'static, Any, AnyArguments>>, StoreError> {
        match (self.has_nul, self.text.as_str().starts_with("select")) {
            (true, true) => Ok(None),
            (true, false) => Err(StoreError::Unstorable),
            (false, _) => Ok(Some(sqlx::query_with(self.text, self.values))),
        }
    }
}

/// What can be bound to a statement.
pub(crate) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Integer(Option<i64>),
    Bytes(Option<&'a [u8]>),
}

macro_rules! values {
    ($($type:ty: $value:ident => $stored:expr;)+) => {$(
        impl<'a> From<$type> for Value<'a> {
            fn from($value: $type) -> Self {
                $stored
            }
        }
    )+};
}

values! {
    &'a str: text => Self::Text(Some(text.into()));
    &'a String: text => Self::Text(Some(text.into()));
    String: text => Self::Text(Some(text.into()));
    Option<&'a str>: text => Self::Text(text.map(Cow::from));
    Option<&'a String>: text => Self::Text(text.map(Cow::from));
    Option<&'a UserId>: id => Self::Text(id.map(|id| id.as_str().into()));
    Option<&'a GrantId>: id => Self::Text(id.map(|id| id.as_str().into()));
    &'a AuthorizationRequestId: id => Self::Text(Some(id.as_str().into()));
    &'a CallId: id => Self::Text(Some(id.as_str().into()));
    &'a ClientId: id => Self::Text(Some(id.as_str().into()));
    &'a AppKeyId: id => Self::Text(Some(id.as_str().into()));
    &'a CredentialId: id => Self::Text(Some(id.as_str().into()));
    &'a GrantId: id => Self::Text(Some(id.as_str().into()));
    &'a KeyId: id => Self::Text(Some(id.as_str().into()));
    &'a ProviderId: id => Self::Text(Some(id.as_str().into()));
    &'a TenantId: id => Self::Text(Some(id.as_str().into()));
    &'a TokenFamilyId: id => Self::Text(Some(id.as_str().into()));
    &'a UserId: id => Self::Text(Some(id.as_str().into()));
    &'a WebhookId: id => Self::Text(Some(id.as_str().into()));
    i64: integer => Self::Integer(Some(integer));
    u32: integer => Self::Integer(Some(i64::from(integer)));
    bool: flag => Self::Integer(Some(i64::from(flag)));
    Timestamp: at => Self::Integer(Some(at.millis()));
    Option<Timestamp>: at => Self::Integer(at.map(Timestamp::millis));
    &'a SecretHash: hash => Self::Bytes(Some(&hash.0));
    Option<&'a SecretHash>: hash => Self::Bytes(hash.map(|hash| hash.0.as_slice()));
    &'a Sealed: sealed => Self::Bytes(Some(&sealed.0));
    Option<&'a Sealed>: sealed => Self::Bytes(sealed.map(|sealed| sealed.0.as_slice()));
}

/// A row of an answer; columns are asked for by name.
pub(crate) struct Row(AnyRow);

impl Row {
    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn integer(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    /// A small number that is never negative.
    pub(crate) fn count(&self, column: &str) -> Result<u32, StoreError> {
        u32::try_from(self.integer(column)?).map_err(corrupt)
    }

    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.integer(column).map(Timestamp::from_millis)
    }

    pub(crate) fn maybe_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        let millis: Option<i64> = self.0.try_get(column)?;
        Ok(millis.map(Timestamp::from_millis))
    }

    pub(crate) fn hash(&self, column: &str) -> Result<SecretHash, StoreError> {
        Ok(SecretHash(self.0.try_get(column)?))
    }

    pub(crate) fn maybe_hash(&self, column: &str) -> Result<Option<SecretHash>, StoreError> {
        let bytes: Option<Vec<u8>> = self.0.try_get(column)?;
        Ok(bytes.map(SecretHash))
    }

    pub(crate) fn sealed(&self, column: &str) -> Result<Sealed, StoreError> {
        Ok(Sealed(self.0.try_get(column)?))
    }

    pub(crate) fn maybe_sealed(&self, column: &str) -> Result<Option<Sealed>, StoreError> {
        let bytes: Option<Vec<u8>> = self.0.try_get(column)?;
        Ok(bytes.map(Sealed))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if error
            .as_database_error()
            .is_some_and(DatabaseError::is_unique_violation)
        {
            return Self::Taken;
        }
        Self::Unavailable(error.into())
    }
}

/// A row that does not hold what this program writes.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("unexpected in the database: {what}").into())
}
