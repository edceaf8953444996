//! Applies pending migrations: on SQLite in one transaction, on a server under a [`Lease`].

use std::time::{Duration, Instant};

use sqlx::{
    Executor,
    migrate::{Migrate as _, Migration},
};
use tokio::time::timeout;

use super::{APPLIED, Migrations, SchemaState, lease::Lease, read_applied, schema_state};
use crate::{
    DatabaseUrl, OpenError,
    connector::Connector,
    dialect::{Dialect, timed_out},
    error::MigrationName,
    transaction::Connection,
};

/// How long to wait for another process that migrates.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// Time limit for the statements that take the lease; above the lock timeout of a session.
const LEASING_MAX: Duration = Duration::from_secs(10);
/// Attempts that fail because of another process, before its failure is this one's.
const COLLISIONS_MAX: u32 = 20;

const BEGUN: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
     VALUES (?, ?, FALSE, ?, -1)";
const FINISHED: &str =
    "UPDATE _sqlx_migrations SET success = TRUE, checksum = ?, execution_time = ? WHERE version = ?";

/// Applies the pending `migrations`, or waits until another process has.
///
/// # Errors
///
/// [`OpenError::Connect`] after which another connection may succeed, [`OpenError::Migrate`] for a migration
/// that fails, [`OpenError::Busy`] after an hour, and the errors of [`schema_state`].
pub(crate) async fn migrate(
    url: &DatabaseUrl,
    connector: &Connector,
    connection: &mut Connection,
    migrations: &Migrations,
) -> Result<(), OpenError> {
    let migration = Migrating { url, connector, migrations };
    match connection.dialect {
        Dialect::Sqlite => migration.migrate_file(connection).await,
        Dialect::MySql | Dialect::Postgres => migration.migrate_server(connection).await,
    }
}

/// One call of [`migrate`].
struct Migrating<'a> {
    url: &'a DatabaseUrl,
    connector: &'a Connector,
    migrations: &'a Migrations,
}

/// The result of one attempt on a server.
enum Attempt {
    /// The schema is up to date.
    Done,
    /// Another process holds the lease.
    Held(String),
}

impl Migrating<'_> {
    async fn migrate_file(&self, connection: &mut Connection) -> Result<(), OpenError> {
        let failed = |error| self.failed(None, error);
        // Waits for another process that migrates the file.
        connection.inner.execute("PRAGMA busy_timeout = 3600000").await.map_err(failed)?;
        connection.inner.execute(connection.dialect.begin()).await.map_err(failed)?;
        let state = schema_state(self.url, connection, self.migrations).await;
        let result = match state {
            Ok(SchemaState::Behind) => self.apply_pending(connection, None).await.map(drop),
            state => state.map(drop),
        };
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = connection.inner.execute(end).await;
        result.and(ended.map(drop).map_err(failed))
    }

    async fn migrate_server(&self, connection: &mut Connection) -> Result<(), OpenError> {
        let (started, mut collisions) = (Instant::now(), 0);
        let mut logged = false;
        loop {
            match self.attempt(connection, logged).await {
                Ok(Attempt::Done) => return Ok(()),
                Ok(Attempt::Held(holder)) if started.elapsed() >= WAIT_MAX => {
                    return Err(OpenError::Busy { url: self.url.clone(), holder });
                }
                Ok(Attempt::Held(holder)) if !logged => {
                    tracing::info!(database = %self.url, holder, "waiting for a process that migrates");
                    logged = true;
                }
                Ok(Attempt::Held(_)) => {}
                // Another process changed the schema at the same time: one of an older release, or one
                // whose lease expired.
                Err(error) if error.is_collision(connection.dialect) && collisions < COLLISIONS_MAX => {
                    tracing::debug!(%error, "retrying the migration");
                    collisions += 1;
                }
                Err(error) => return Err(error),
            }
            super::lease::pause().await;
        }
    }

    /// Migrates if this process can take the lease. `has_waited`: another process had it, and may apply more
    /// migrations than this program knows.
    async fn attempt(&self, connection: &mut Connection, has_waited: bool) -> Result<Attempt, OpenError> {
        let state = schema_state(self.url, connection, self.migrations).await?;
        if state == SchemaState::Current && !has_waited {
            return Ok(Attempt::Done);
        }
        let failed = |error| self.failed(None, error);
        let leasing = async {
            let lease = Lease::prepare(connection).await?;
            let taken = lease.take(connection).await?;
            let holder = if taken { String::new() } else { lease.holder(connection).await? };
            Ok((lease, taken, holder))
        };
        let leased = timeout(LEASING_MAX, leasing).await.unwrap_or_else(|_| Err(timed_out(LEASING_MAX)));
        let (lease, taken, holder) = match leased {
            // The row is locked by a process that migrates, or was changed on two nodes.
            Err(error) if connection.dialect.is_transient(&error) => {
                return Ok(Attempt::Held("the process that locks the lease".to_owned()));
            }
            // A user without the right to take the lease needs none.
            Err(_) if state == SchemaState::Current => return Ok(Attempt::Done),
            leased => leased.map_err(failed)?,
        };
        if !taken {
            return Ok(Attempt::Held(holder));
        }
        let result = self.migrate_leased(connection, &lease).await;
        lease.release(connection).await;
        result
    }

    /// Reads the schema state again: another process may have migrated before this one took the lease, and
    /// the schema may have become too new.
    async fn migrate_leased(&self, connection: &mut Connection, lease: &Lease) -> Result<Attempt, OpenError> {
        match schema_state(self.url, connection, self.migrations).await? {
            SchemaState::Current => {}
            SchemaState::Behind => return self.apply_pending(connection, Some(lease)).await,
            SchemaState::Unfinished(version) => tracing::warn!(
                database = %self.url,
                "migration {version} of a newer program was interrupted; start that program to finish it"
            ),
        }
        Ok(Attempt::Done)
    }

    async fn apply_pending(
        &self,
        connection: &mut Connection,
        lease: Option<&Lease>,
    ) -> Result<Attempt, OpenError> {
        let failed = |error: sqlx::Error| self.failed(None, error);
        let applied = match read_applied(connection).await {
            Ok(applied) => applied,
            // The usual error is that the table does not exist yet; any other one recurs.
            Err(_) => {
                let ensured = connection.inner.ensure_migrations_table(APPLIED).await;
                ensured.map_err(|error| failed(into_cause(error)))?;
                Vec::new()
            }
        };
        for migration in self.migrations.of(connection.dialect).iter() {
            let row = applied.iter().find(|applied| applied.version == migration.version);
            match row {
                Some(row) if row.finished => continue,
                Some(_) => tracing::warn!(
                    database = %self.url,
                    "migration {} was interrupted; it is run again", migration.version
                ),
                None => {}
            }
            let applying = self.apply(connection, migration, row.is_none(), lease);
            if !applying.await.map_err(|error| self.failed(Some(migration), error))? {
                return Ok(Attempt::Held("the process that took the lease".to_owned()));
            }
        }
        Ok(Attempt::Done)
    }

    /// Applies one migration. `is_new`: it is not recorded as begun. Returns whether this process still held
    /// the lease.
    async fn apply(
        &self,
        connection: &mut Connection,
        migration: &Migration,
        is_new: bool,
        lease: Option<&Lease>,
    ) -> Result<bool, sqlx::Error> {
        let Some(lease) = lease else {
            return run(connection, migration, is_new).await.map(|()| true);
        };
        if connection.dialect == Dialect::MySql {
            if !lease.renew(connection).await? {
                return Ok(false);
            }
            // The lease is renewed on another connection while the script runs on this one.
            return tokio::select! {
                result = run(connection, migration, is_new) => result.map(|()| true),
                () = lease.keep(self.connector) => Ok(false),
            };
        }
        connection.inner.execute("BEGIN").await?;
        let applied = async {
            // Locks the row: until COMMIT no other process takes the lease.
            match lease.renew(connection).await? {
                true => run(connection, migration, is_new).await.map(|()| true),
                false => Ok(false),
            }
        };
        let applied = applied.await;
        let end = if matches!(applied, Ok(true)) { "COMMIT" } else { "ROLLBACK" };
        let ended = connection.inner.execute(end).await;
        applied.and_then(|applied| ended.map(|_| applied))
    }

    fn failed(&self, migration: Option<&Migration>, source: sqlx::Error) -> OpenError {
        if self.connector.dialect.may_connect_later(&source) {
            return OpenError::connect(self.url)(source);
        }
        let name = migration.map(|migration| MigrationName {
            version: migration.version,
            description: migration.description.to_string(),
        });
        let dialect = self.connector.dialect;
        OpenError::migrate(self.url, &self.migrations.command(), dialect, name.unwrap_or_default(), source)
    }
}

/// Runs the script between the two records.
async fn run(connection: &mut Connection, migration: &Migration, is_new: bool) -> Result<(), sqlx::Error> {
    let started = Instant::now();
    if is_new {
        let begun = connection.query(BEGUN).bind(migration.version);
        let begun = begun.bind(migration.description.to_string()).bind(migration.checksum.to_vec());
        begun.execute(connection.executor()).await?;
    }
    connection.inner.execute(migration.sql.clone()).await?;
    let nanoseconds = i64::try_from(started.elapsed().as_nanos()).unwrap_or(i64::MAX);
    let finished = connection.query(FINISHED).bind(migration.checksum.to_vec());
    let finished = finished.bind(nanoseconds).bind(migration.version);
    finished.execute(connection.executor()).await.map(drop)
}

/// The driver's error of one of sqlx's functions.
fn into_cause(error: sqlx::migrate::MigrateError) -> sqlx::Error {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => error,
        error => sqlx::Error::Migrate(Box::new(error)),
    }
}
