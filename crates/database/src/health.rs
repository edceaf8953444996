//! Health check of the database for readiness: whether it can be read and written.

use std::time::Duration;

use service_kit::{admin::Readiness, ids::random_u32};
use sqlx::Executor;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    Cause, Connection, Database, Table,
    connector::Connector,
    dialect::{read_only, timed_out},
    migrations::check_tables,
};

/// Interval of the health check, and the time limit of its reads.
const INTERVAL: Duration = Duration::from_secs(1);
/// Interval of the write of a database that is healthy. After a failure every check writes.
const WRITE_INTERVAL: Duration = Duration::from_secs(5);
/// A row of a version that no schema has; it is deleted in the same transaction. Only a commit of a row
/// detects a full disk.
const INSERT: &str = "INSERT INTO schema_versions (version, oldest_program) VALUES (?, 0)";
const DELETE: &str = "DELETE FROM schema_versions WHERE version = ?";

/// Why a database is not ready. The reason is for operators.
struct Unready {
    reason: &'static str,
    error: sqlx::Error,
}

impl Database {
    /// Spawns a task that reads from the database every second, writes to it every five seconds, and sets the
    /// condition `database` of `readiness`. The task ends when the database is closed.
    pub fn spawn_health_check(&self, readiness: Readiness) -> JoinHandle<()> {
        let database = self.clone();
        tokio::spawn(async move {
            let (connector, tables) = (database.connector().clone(), database.tables());
            let mut probe = Probe { connector, tables, connection: None, next_write: Instant::now() };
            let mut last_reason = None;
            loop {
                let checked = probe.check().await;
                if database.is_closed() {
                    // This process closed it: not an outage.
                    return readiness.set("database", false);
                }
                let reason = checked.as_ref().err().map(|unready| unready.reason);
                match &checked {
                    Ok(()) => readiness.set("database", true),
                    Err(unready) => readiness.fail("database", unready.reason),
                }
                // Logs changes only.
                if reason != last_reason {
                    match &checked {
                        Ok(()) => tracing::info!("database available again"),
                        Err(Unready { reason, error }) => {
                            tracing::error!(reason, error = %Cause(error), "database unavailable");
                        }
                    }
                }
                last_reason = reason;
                tokio::time::sleep(INTERVAL).await;
            }
        })
    }
}

/// The health check's own connection. It does not wait for the pool: a pool without idle connections is load,
/// not an outage.
struct Probe {
    connector: Connector,
    tables: &'static [Table],
    connection: Option<Connection>,
    next_write: Instant,
}

impl Probe {
    async fn check(&mut self) -> Result<(), Unready> {
        let replaced = |error| Unready { reason: "a file was removed or replaced", error };
        self.connector.check_files().map_err(replaced)?;
        // A connection that fails is not reused. After a failure the next check writes.
        let (open, next_write) = (self.connection.take(), self.next_write);
        self.next_write = Instant::now();
        let reading = timeout(INTERVAL, read(&self.connector, self.tables, open)).await;
        let (mut connection, is_read_only) = reading
            .unwrap_or_else(|_| Err(timed_out(INTERVAL)))
            .map_err(|error| Unready { reason: "unavailable", error })?;
        if is_read_only {
            return Err(Unready { reason: "read-only", error: read_only() });
        }
        if Instant::now() >= next_write {
            let written = self.connector.within_limit(write(&mut connection)).await;
            written.or_else(|error| self.judge(error))?;
            self.next_write = Instant::now() + WRITE_INTERVAL;
        } else {
            self.next_write = next_write;
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// What the failure of the write shows.
    fn judge(&self, error: sqlx::Error) -> Result<(), Unready> {
        let dialect = self.connector.dialect;
        let reason = match &error {
            // Other transactions write.
            error if dialect.is_transient(error) => return Ok(()),
            error if dialect.is_read_only(error) => "read-only",
            error if dialect.is_forbidden(error) => "its user may not write",
            error if dialect.is_full(error) => "its disk is full",
            _ => "not writable",
        };
        Err(Unready { reason, error })
    }
}

/// Reads the tables on the connection, or on a new one. Returns it, and whether the server is read-only.
async fn read(
    connector: &Connector,
    tables: &[Table],
    open: Option<Connection>,
) -> Result<(Connection, bool), sqlx::Error> {
    let mut connection = match open {
        Some(connection) => connection,
        None => connector.connect().await?,
    };
    check_tables(&mut connection, tables).await?;
    let is_read_only = connector.is_read_only(&mut connection).await?;
    Ok((connection, is_read_only))
}

/// Commits a row and its deletion. After a failure the connection is closed, which rolls back.
async fn write(connection: &mut Connection) -> Result<(), sqlx::Error> {
    // Negative and random, so that concurrent checks do not wait for each other.
    let version = -1 - i64::from(random_u32());
    let begin = connection.dialect.begin();
    connection.inner.execute(begin).await?;
    for statement in [INSERT, DELETE] {
        connection.query(statement).bind(version).execute(connection.executor()).await?;
    }
    connection.inner.execute("COMMIT").await.map(drop)
}
