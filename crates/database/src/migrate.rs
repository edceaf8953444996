//! Bringing a schema up to date, one process at a time; and refusing one that is too new for this program.
//!
//! A program is named by the newest migration that it knows. Each migration ends by writing into the table
//! `schema_versions` which is the oldest program that may run on its result: during a rolling deploy, older
//! programs go on (and may start) over a newer schema that allows it.

use std::time::Duration;

use sqlx::{
    AnyConnection, Connection, Executor, Row,
    migrate::{Migrate, MigrateError, Migrator},
};

use crate::{
    OpenError, Target,
    dialect::{Dialect, MigrationLock},
    work::Session,
};

/// The migrations of one service: the same versions for each kind of database.
///
/// On MySQL each must do no harm when it is run again: a change of the schema commits by itself there, so that
/// one that was interrupted is run from its start.
#[derive(Debug)]
pub struct Migrations {
    /// For SQLite.
    pub sqlite: Migrator,
    /// For MySQL and MariaDB.
    pub mysql: Migrator,
    /// For PostgreSQL.
    pub postgres: Migrator,
}

/// Where sqlx keeps which migrations were applied.
const APPLIED: &str = "_sqlx_migrations";
/// How long to wait for another process that migrates.
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

/// Whether the schema is as this program has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// It has every migration that the program knows.
    Current,
    /// It lacks one, or one was interrupted.
    Behind,
}

/// How the schema of a database stands to `migrations`. Reads only.
pub(crate) async fn look(
    target: &Target,
    connection: &mut AnyConnection,
    dialect: Dialect,
    migrations: &Migrations,
) -> Result<Schema, OpenError> {
    let known = migrations.of(dialect);
    // A table that is not there yet is the usual reason for this to fail, and any other shows when it is made.
    let applied = connection.list_applied_migrations(APPLIED).await.unwrap_or_default();
    let newest = known.iter().map(|migration| migration.version).max().unwrap_or_default();
    if let Some(newer) = applied.iter().map(|applied| applied.version).max().filter(|max| *max > newest) {
        let oldest = oldest_program(connection).await.map_err(OpenError::connect(target))?;
        if oldest > newest {
            return Err(OpenError::Newer { target: target.clone(), version: newer, oldest, newest });
        }
    }
    let is_applied = |version| applied.iter().any(|applied| applied.version == version);
    let lacking = known.iter().any(|migration| !is_applied(migration.version));
    let clean = connection.dirty_version(APPLIED).await.is_ok_and(|dirty| dirty.is_none());
    if lacking || !clean {
        return Ok(Schema::Behind);
    }
    let changed = known.iter().find(|migration| {
        applied.iter().any(|one| one.version == migration.version && one.checksum != migration.checksum)
    });
    match changed {
        Some(changed) => Err(OpenError::migrate(target)(MigrateError::VersionMismatch(changed.version))),
        None => Ok(Schema::Current),
    }
}

/// Applies what `session`'s database lacks of `migrations`, one process at a time.
pub(crate) async fn bring_up(
    target: &Target,
    session: &mut Session,
    migrations: &Migrations,
) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::migrate(target)(error.into());
    let (connection, dialect) = (&mut session.connection, session.dialect);
    match dialect.migration_lock() {
        MigrationLock::Transaction { patience } => {
            connection.execute(patience).await.map_err(failed)?;
            let mut transaction = connection.begin_with(dialect.begin()).await.map_err(failed)?;
            catch_up(target, &mut transaction, dialect, migrations).await?;
            transaction.commit().await.map_err(failed)
        }
        MigrationLock::Session { patience, lock: statement, habit } => {
            connection.execute(patience).await.map_err(failed)?;
            lock(connection, statement).await.map_err(failed)?;
            connection.execute(habit).await.map_err(failed)?;
            catch_up(target, connection, dialect, migrations).await
        }
    }
}

/// Whoever had to wait for the lock looks again: another may have done the work, so that a user without the right to
/// change the schema succeeds; or the schema is too new by now.
async fn catch_up(
    target: &Target,
    connection: &mut AnyConnection,
    dialect: Dialect,
    migrations: &Migrations,
) -> Result<(), OpenError> {
    if look(target, connection, dialect, migrations).await? == Schema::Current {
        return Ok(());
    }
    let failed = OpenError::migrate(target);
    if dialect == Dialect::MySql && connection.dirty_version(APPLIED).await.is_ok() {
        // What was interrupted there is run again.
        let forgotten = connection.execute("DELETE FROM _sqlx_migrations WHERE success = FALSE").await;
        forgotten.map_err(|error| failed(error.into()))?;
    }
    let mut migrator = Migrator::with_migrations(migrations.of(dialect).iter().cloned().collect());
    migrator.set_ignore_missing(true).set_locking(false);
    // `run` is generic over `Acquire`, of whose future the compiler cannot tell that it is `Send`: no caller
    // could spawn what awaits it. This is the way around that sqlx leaves open.
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

/// The oldest program that may run on this schema.
async fn oldest_program(connection: &mut AnyConnection) -> Result<i64, sqlx::Error> {
    let query = sqlx::query("SELECT MAX(oldest_program) FROM schema_versions");
    let row = query.fetch_one(connection).await?;
    // A schema that does not say is for no program but its own.
    Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or(i64::MAX))
}
