//! The lease that lets one process at a time migrate a database: a row with owner and expiry.
//!
//! A row is honoured by every server and every node of a cluster; `GET_LOCK` and advisory locks are not: those
//! of Galera hold on one node, and those of a pooler are another client's. The server's clock decides.

use std::time::Duration;

use service_kit::ids::{jittered, random_u32};
use sqlx::{AssertSqlSafe, Row};

use crate::{connector::Connector, dialect::Dialect, transaction::Connection};

/// How long a lease lasts without renewal. A process that ended without releasing it delays the next one for
/// that long.
const LEASE: Duration = Duration::from_secs(30);
/// Interval of renewals while a migration runs.
const RENEW_EVERY: Duration = Duration::from_secs(5);

const CREATE: &str = "CREATE TABLE IF NOT EXISTS migration_lock (
         id BIGINT PRIMARY KEY NOT NULL, owner VARCHAR(255) NOT NULL, expires_at_ms BIGINT NOT NULL)";
const INSERT: &str = "INSERT INTO migration_lock (id, owner, expires_at_ms) VALUES (1, '', 0)";
const SELECT: &str = "SELECT owner FROM migration_lock WHERE id = 1";
/// Takes the lease if it is free, expired or already ours. An expiry that no lease can have is that of a clock
/// that was set back.
const TAKE: &str = "UPDATE migration_lock SET owner = ?, expires_at_ms = NOW_MS() + ?
     WHERE id = 1 AND (owner = ? OR expires_at_ms <= NOW_MS() OR expires_at_ms > NOW_MS() + ?)";
const RENEW: &str = "UPDATE migration_lock SET expires_at_ms = NOW_MS() + ? WHERE id = 1 AND owner = ?";
const RELEASE: &str = "UPDATE migration_lock SET expires_at_ms = 0 WHERE id = 1 AND owner = ?";

/// The lease of this process, which it may hold or not.
#[derive(Debug)]
pub(super) struct Lease {
    owner: String,
}

impl Lease {
    /// Creates the table and the row, if they do not exist.
    pub(super) async fn prepare(connection: &mut Connection) -> Result<Self, sqlx::Error> {
        if !exists(connection).await {
            let engine = if connection.dialect == Dialect::MySql { " ENGINE = InnoDB" } else { "" };
            let create = connection.query(AssertSqlSafe(format!("{CREATE}{engine}")));
            let created = create.execute(connection.executor()).await;
            let inserted = match created {
                Ok(_) => connection.query(INSERT).execute(connection.executor()).await,
                Err(error) => Err(error),
            };
            // Another process may have created them at the same time.
            if let Err(error) = inserted
                && !exists(connection).await
            {
                return Err(error);
            }
        }
        Ok(Self { owner: owner() })
    }

    /// Takes the lease. Returns whether this process holds it now.
    pub(super) async fn take(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        let take = connection.query(TAKE).bind(self.owner.clone()).bind(milliseconds(LEASE));
        let take = take.bind(self.owner.clone()).bind(milliseconds(2 * LEASE));
        Ok(take.execute(connection.executor()).await?.rows_affected() == 1)
    }

    /// Extends the lease. Returns whether this process still holds it. Inside a transaction this also keeps
    /// others from taking it until the end of the transaction.
    pub(super) async fn renew(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        let renew = connection.query(RENEW).bind(milliseconds(LEASE)).bind(self.owner.clone());
        Ok(renew.execute(connection.executor()).await?.rows_affected() == 1)
    }

    /// Extends the lease on a connection of its own, until dropped: that of the migration is busy.
    pub(super) async fn keep(&self, connector: &Connector) {
        let mut connection = None;
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let renewed = async {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => connector.connect().await?,
                };
                self.renew(&mut open).await?;
                Ok::<_, sqlx::Error>(open)
            };
            match connector.within_limit(renewed).await {
                Ok(open) => connection = Some(open),
                Err(error) => tracing::warn!(%error, "the lease of the migration was not renewed"),
            }
        }
    }

    /// Lets others take the lease at once. If that fails, it expires.
    pub(super) async fn release(&self, connection: &mut Connection) {
        let release = connection.query(RELEASE).bind(self.owner.clone());
        if let Err(error) = release.execute(connection.executor()).await {
            tracing::debug!(%error, "the lease of the migration was not released");
        }
    }

    /// The holder, for the log.
    pub(super) async fn holder(&self, connection: &mut Connection) -> Result<String, sqlx::Error> {
        let row = connection.query(SELECT).fetch_one(connection.executor()).await?;
        row.try_get(0)
    }
}

async fn exists(connection: &mut Connection) -> bool {
    let found = connection.query(SELECT).fetch_optional(connection.executor()).await;
    matches!(found, Ok(Some(_)))
}

/// The host, the process, and a random number that tells apart processes of containers of one host name.
fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().take(64).collect();
    format!("{host}, process {}, {:08x}", std::process::id(), random_u32())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Waits before the next attempt to take the lease.
pub(super) async fn pause() {
    tokio::time::sleep(jittered(Duration::from_millis(200))).await;
}
