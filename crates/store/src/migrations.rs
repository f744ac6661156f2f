//! The schema's history, embedded: forward only, with the same names for both engines.
//!
//! A migration and the row that records it are one transaction, so a process that dies half way
//! leaves the schema as it was. The row keeps the text that was applied, to tell a changed history.

use sqlx::AssertSqlSafe;

use crate::{
    OpenError, Store, StoreError,
    open::Engine,
    sql::{Row, Transaction, sql},
};

struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal,)+) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }),+]
    };
}

const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_consent_path",
    2 "0002_ledger",
    3 "0003_usage_classes",
    4 "0004_levels",
    5 "0005_price_overrides",
    6 "0006_provider_objects",
    7 "0007_consent_digest",
    8 "0008_app_keys",
    9 "0009_key_checks",
    10 "0010_alerts",
    11 "0011_price_guard",
    13 "0013_webhooks",
};

impl Migration {
    fn text(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }
}

/// Why the schema was not brought up to date.
pub(crate) enum MigrationError {
    Refused(OpenError),
    Failed(StoreError),
}

impl<E: Into<StoreError>> From<E> for MigrationError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Store {
    /// Applies what is missing, one transaction each; refuses a history that is not ours.
    pub(crate) async fn migrate(&self) -> Result<(), MigrationError> {
        while self.migrate_once().await? {}
        Ok(())
    }

    /// Applies the next migration; `false` if there is none.
    async fn migrate_once(&self) -> Result<bool, MigrationError> {
        let mut tx = self.begin_write().await?;
        if self.engine() == Engine::Postgres {
            // Of several instances that start at once, one migrates and the others wait for it.
            sql("select pg_advisory_xact_lock(4124720916)::text")
                .first(&mut *tx)
                .await?;
        }
        let applied = applied(&mut tx).await?;
        let Some(next) = next(&applied, self.engine()).map_err(MigrationError::Refused)? else {
            return Ok(false);
        };

        // The text is our own file, not input.
        sqlx::raw_sql(AssertSqlSafe(next.text(self.engine())))
            .execute(&mut *tx)
            .await?;
        sql("insert into schema_migrations (version, name, applied) values ($1, $2, $3)")
            .bind(next.version)
            .bind(next.name)
            .bind(next.text(self.engine()))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        tracing::info!(migration = next.name, "schema migrated");
        Ok(true)
    }

    /// The number of the last migration applied.
    pub async fn schema_version(&self) -> Result<i64, StoreError> {
        let row = sql("select max(version) as version from schema_migrations")
            .first(self.pool())
            .await?;
        row.map_or(Ok(0), |row| row.integer("version"))
    }
}

struct Applied {
    version: i64,
    name: String,
    text: String,
}

async fn applied(tx: &mut Transaction) -> Result<Vec<Applied>, StoreError> {
    sql("create table if not exists schema_migrations (
           version bigint not null primary key, name text not null, applied text not null)")
    .execute(&mut **tx)
    .await?;
    let rows = sql("select version, name, applied from schema_migrations order by version")
        .all(&mut **tx)
        .await?;
    let read = |row: &Row| {
        Ok(Applied {
            version: row.integer("version")?,
            name: row.text("name")?,
            text: row.text("applied")?,
        })
    };
    rows.iter().map(read).collect()
}

/// The first migration that was not `applied`, if what was applied is how our history begins.
fn next(applied: &[Applied], engine: Engine) -> Result<Option<&'static Migration>, OpenError> {
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if let Some(newer) = applied.iter().find(|applied| applied.version > known) {
        return Err(OpenError::Newer {
            found: newer.version,
            known,
        });
    }
    for (migration, applied) in MIGRATIONS.iter().zip(applied) {
        if applied.version != migration.version {
            return Err(OpenError::HalfMigrated(migration.name.to_owned()));
        }
        if applied.text != migration.text(engine) {
            return Err(OpenError::Changed(applied.name.clone()));
        }
    }
    Ok(MIGRATIONS.get(applied.len()))
}
