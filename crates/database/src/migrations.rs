//! Schema migrations: applied by one process at a time; a schema that is too new is rejected.
//!
//! The version of a program is the newest migration it contains. Each migration writes into `schema_versions`
//! the oldest program that can use the new schema. During a rolling deploy, older programs keep running (and
//! may start) on a newer schema that allows them.

use std::time::Duration;

use sqlx::{
    AnyConnection, Connection as _, Executor, Row,
    migrate::{Migrate, MigrateError, Migrator},
};

use crate::{
    Connection, DatabaseUrl, OpenError,
    dialect::{Dialect, MigrationLock},
};

/// The migrations of one service, with the same versions for each kind of database.
///
/// MySQL commits schema changes implicitly, so that an interrupted migration is run again from its start:
/// migrations for MySQL must be idempotent.
#[derive(Debug)]
pub struct Migrations {
    /// For SQLite.
    pub sqlite: Migrator,
    /// For MySQL and MariaDB.
    pub mysql: Migrator,
    /// For PostgreSQL.
    pub postgres: Migrator,
}

/// The table in which sqlx records applied migrations.
const APPLIED: &str = "_sqlx_migrations";
/// How long to wait for the migration lock.
const LOCK_MAX: Duration = Duration::from_secs(3600);

impl Migrations {
    fn of(&self, dialect: Dialect) -> &Migrator {
        match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::MySql => &self.mysql,
            Dialect::Postgres => &self.postgres,
        }
    }
}

/// Whether the schema is up to date for this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaState {
    /// Every migration of the program is applied.
    Current,
    /// A migration is missing or was interrupted.
    Behind,
}

/// Compares the applied migrations with `migrations`. Reads only.
pub(crate) async fn schema_state(
    url: &DatabaseUrl,
    connection: &mut AnyConnection,
    dialect: Dialect,
    migrations: &Migrations,
) -> Result<SchemaState, OpenError> {
    let known = migrations.of(dialect);
    // The usual error is that the table does not exist yet. Any other error recurs when the table is created.
    let applied = connection.list_applied_migrations(APPLIED).await.unwrap_or_default();
    let newest = known.iter().map(|migration| migration.version).max().unwrap_or_default();
    if let Some(newer) = applied.iter().map(|applied| applied.version).max().filter(|max| *max > newest) {
        let oldest = oldest_program(connection).await.map_err(OpenError::connect(url))?;
        if oldest > newest {
            return Err(OpenError::Newer { url: url.clone(), version: newer, oldest, newest });
        }
    }
    let is_applied = |version| applied.iter().any(|applied| applied.version == version);
    let lacking = known.iter().any(|migration| !is_applied(migration.version));
    let clean = connection.dirty_version(APPLIED).await.is_ok_and(|dirty| dirty.is_none());
    if lacking || !clean {
        return Ok(SchemaState::Behind);
    }
    let changed = known.iter().find(|migration| {
        applied.iter().any(|one| one.version == migration.version && one.checksum != migration.checksum)
    });
    match changed {
        Some(changed) => Err(OpenError::migrate(url)(MigrateError::VersionMismatch(changed.version))),
        None => Ok(SchemaState::Current),
    }
}

/// Takes the migration lock and applies the pending `migrations`.
pub(crate) async fn migrate(
    url: &DatabaseUrl,
    connection: &mut Connection,
    migrations: &Migrations,
) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::migrate(url)(error.into());
    let (connection, dialect) = (&mut connection.inner, connection.dialect);
    match dialect.migration_lock() {
        MigrationLock::Transaction { raise_lock_timeout } => {
            connection.execute(raise_lock_timeout).await.map_err(failed)?;
            let mut transaction = connection.begin_with(dialect.begin()).await.map_err(failed)?;
            migrate_locked(url, &mut transaction, dialect, migrations).await?;
            transaction.commit().await.map_err(failed)
        }
        MigrationLock::Advisory { disable_lock_timeout, lock: statement, restore_lock_timeout } => {
            if let Some(disable) = disable_lock_timeout {
                connection.execute(disable).await.map_err(failed)?;
            }
            lock(connection, statement).await.map_err(failed)?;
            if let Some(restore) = restore_lock_timeout {
                connection.execute(restore).await.map_err(failed)?;
            }
            migrate_locked(url, connection, dialect, migrations).await
        }
    }
}

/// Applies the pending migrations while holding the lock. Reads the schema state again: another process may
/// have migrated during the wait, so that a user without the right to change the schema succeeds, or the
/// schema may have become too new.
async fn migrate_locked(
    url: &DatabaseUrl,
    connection: &mut AnyConnection,
    dialect: Dialect,
    migrations: &Migrations,
) -> Result<(), OpenError> {
    if schema_state(url, connection, dialect, migrations).await? == SchemaState::Current {
        return Ok(());
    }
    let failed = OpenError::migrate(url);
    if dialect == Dialect::MySql && connection.dirty_version(APPLIED).await.is_ok() {
        // MySQL cannot roll back an interrupted migration; it is run again.
        let deleted = connection.execute("DELETE FROM _sqlx_migrations WHERE success = FALSE").await;
        deleted.map_err(|error| failed(error.into()))?;
    }
    let mut migrator = Migrator::with_migrations(migrations.of(dialect).iter().cloned().collect());
    migrator.set_ignore_missing(true).set_locking(false);
    // The future of `run` is generic over `Acquire` and not provably `Send`; that of `run_direct` is.
    migrator.run_direct(None, connection, false).await.map_err(failed)
}

/// Waits for the lock that `statement` takes.
async fn lock(connection: &mut AnyConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    let locked = tokio::time::timeout(LOCK_MAX, sqlx::query(statement).fetch_one(connection)).await;
    let row = locked.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
    match row.try_get::<Option<i64>, _>(0)? {
        Some(1) => Ok(()),
        _ => Err(sqlx::Error::Protocol(
            "another process has been migrating this database for an hour".to_owned(),
        )),
    }
}

/// The oldest program that can use this schema; a schema without that entry allows only its own version.
async fn oldest_program(connection: &mut AnyConnection) -> Result<i64, sqlx::Error> {
    let query = sqlx::query("SELECT MAX(oldest_program) FROM schema_versions");
    let row = query.fetch_one(connection).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or(i64::MAX))
}
