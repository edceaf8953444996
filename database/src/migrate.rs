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

use crate::{OpenError, Target, dialect::Dialect, work::Session};

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

/// Applies what `session`'s database lacks of `migrations`. A user without the right to change the schema
/// succeeds where nothing is lacking.
pub(crate) async fn bring_up(
    target: &Target,
    mut session: Session,
    migrations: &Migrations,
) -> Result<(), OpenError> {
    let (dialect, failed) = (session.dialect, OpenError::migrate(target));
    let known = migrations.of(dialect);
    // A table that is not there yet is the usual reason for this to fail, and any other shows below.
    let applied = session.connection.list_applied_migrations(APPLIED).await.unwrap_or_default();
    let newest = known.iter().map(|migration| migration.version).max().unwrap_or_default();
    if let Some(newer) = applied.iter().map(|applied| applied.version).max().filter(|max| *max > newest) {
        let oldest = oldest_program(&mut session).await.map_err(OpenError::connect(target))?;
        if oldest > newest {
            return Err(OpenError::Newer { target: target.clone(), version: newer, oldest, newest });
        }
    }
    let is_applied = |version| applied.iter().any(|applied| applied.version == version);
    let lacking = known.iter().any(|migration| !is_applied(migration.version));
    let clean = session.connection.dirty_version(APPLIED).await.is_ok_and(|dirty| dirty.is_none());
    let mut migrator = Migrator::with_migrations(known.iter().cloned().collect());
    migrator.set_ignore_missing(true).set_locking(false);
    if lacking || !clean {
        run(&mut session, &migrator).await.map_err(failed)?;
    } else if let Some(changed) = known.iter().find(|migration| {
        applied.iter().any(|one| one.version == migration.version && one.checksum != migration.checksum)
    }) {
        return Err(failed(MigrateError::VersionMismatch(changed.version)));
    }
    // Gives the lock back, too.
    session.connection.close().await.map_err(OpenError::connect(target))
}

async fn run(session: &mut Session, migrator: &Migrator) -> Result<(), MigrateError> {
    let connection = &mut session.connection;
    match session.dialect {
        // All or nothing, and one process at a time.
        Dialect::Sqlite => {
            let mut transaction = connection.begin_with(session.dialect.begin()).await?;
            apply(&mut transaction, migrator).await?;
            Ok(transaction.commit().await?)
        }
        Dialect::MySql | Dialect::Postgres => {
            lock(session).await?;
            if session.dialect == Dialect::MySql && session.connection.dirty_version(APPLIED).await.is_ok() {
                // What was interrupted there is run again.
                session.connection.execute("DELETE FROM _sqlx_migrations WHERE success = FALSE").await?;
            }
            apply(&mut session.connection, migrator).await
        }
    }
}

async fn apply(connection: &mut AnyConnection, migrator: &Migrator) -> Result<(), MigrateError> {
    // `run` is generic over `Acquire`, of whose future the compiler cannot tell that it is `Send`: no caller
    // could spawn what awaits it. This is the way around that sqlx leaves open.
    migrator.run_direct(None, connection, false).await
}

async fn lock(session: &mut Session) -> Result<(), sqlx::Error> {
    let Some(statement) = session.dialect.migration_lock() else { return Ok(()) };
    let query = session.query(statement);
    let locked = tokio::time::timeout(LOCK_MAX, query.fetch_one(session.connection())).await;
    let row = locked.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
    match row.try_get::<Option<i64>, _>(0)? {
        Some(1) => Ok(()),
        _ => Err(sqlx::Error::Protocol(
            "another process has been migrating this database for an hour".to_owned(),
        )),
    }
}

/// The oldest program that may run on this schema.
async fn oldest_program(session: &mut Session) -> Result<i64, sqlx::Error> {
    let query = session.query("SELECT MAX(oldest_program) FROM schema_versions");
    let row = query.fetch_one(session.connection()).await?;
    // A schema that does not say is for no program but its own.
    Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or(i64::MAX))
}
