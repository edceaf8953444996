//! Opens connections and applies their session settings.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use sqlx::{AnyConnection, Connection as _, Executor, Row, any::AnyConnectOptions};
use tokio::time::timeout;

use crate::{
    Connection, Metrics, Transaction,
    dialect::{Dialect, timed_out},
    relay,
    sqlite_files::SqliteFiles,
};

/// Opens connections. `Debug` omits the options, which contain the password.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) dialect: Dialect,
    pub(crate) options: AnyConnectOptions,
    /// The address of a server that sqlx cannot dial (see `relay`).
    pub(crate) relayed_address: Option<SocketAddr>,
    /// Time limit for connecting.
    pub(crate) connect_max: Duration,
    /// Time limit for one transaction.
    pub(crate) transaction_max: Duration,
    /// Time limit that the server enforces for one statement.
    pub(crate) statement_max: Option<Duration>,
    /// Maximum lifetime of a pooled connection, which jitter shortens by up to half.
    pub(crate) lifetime_max: Duration,
    /// The files of an open SQLite database.
    pub(crate) files: Option<Arc<SqliteFiles>>,
    pub(crate) metrics: Metrics,
    #[cfg(feature = "fault-injection")]
    pub(crate) faults: service_kit::fault_injection::FaultRules,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl Connector {
    /// Opens a connection and applies the session settings.
    pub(crate) async fn connect(&self) -> Result<Connection, sqlx::Error> {
        self.check_files()?;
        let connected = timeout(self.connect_max, async {
            let mut inner = match self.relayed_address {
                Some(server) => relay::connect(server, &self.options).await?,
                None => AnyConnection::connect_with(&self.options).await?,
            };
            inner.execute(self.dialect.session_settings(self.statement_max)).await?;
            Ok(Connection { inner, dialect: self.dialect })
        });
        let connection = connected.await.unwrap_or_else(|_| Err(timed_out(self.connect_max)))?;
        // The files may have been replaced while this connection opened them.
        self.check_files()?;
        Ok(connection)
    }

    /// Fails if a file of the SQLite database is no longer at its path.
    pub(crate) fn check_files(&self) -> Result<(), sqlx::Error> {
        self.files.as_ref().map_or(Ok(()), |files| files.check())
    }

    /// Whether the server rejects writes: it is a replica, or it was made read-only. Always `false` on SQLite.
    pub(crate) async fn is_read_only(&self, connection: &mut Connection) -> Result<bool, sqlx::Error> {
        let Some(query) = self.dialect.read_only_query() else { return Ok(false) };
        let row = sqlx::query(query).fetch_one(&mut connection.inner).await?;
        let settings: String = row.try_get(0)?;
        Ok(settings.split(',').any(|setting| !matches!(setting, "0" | "OFF" | "off")))
    }

    /// Runs `transaction` within the time limit.
    pub(crate) async fn run<T: Transaction>(
        &self,
        transaction: &T,
        connection: &mut Connection,
    ) -> Result<T::Output, sqlx::Error> {
        self.within_limit(transaction.run(connection)).await
    }

    /// Awaits `statements` within the time limit of a transaction.
    pub(crate) async fn within_limit<T>(
        &self,
        statements: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        timeout(self.transaction_max, statements)
            .await
            .unwrap_or_else(|_| Err(timed_out(self.transaction_max)))
    }
}
