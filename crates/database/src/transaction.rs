//! Transactions as values, which can be queued and run again, and the errors of writing.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Any, AnyConnection, SqlSafeStr, any::AnyArguments, query::Query};

use crate::{data_errors::is_data_error, dialect::Dialect, error::Cause};

/// A connection that runs one transaction.
#[derive(Debug)]
pub struct Connection {
    pub(crate) inner: AnyConnection,
    pub(crate) dialect: Dialect,
}

impl Connection {
    /// Prepares `sql`, to be bound and then executed on [`executor`](Self::executor).
    ///
    /// Each parameter is written `?`; no other question mark may occur. `NOW_MS()` is the database's clock,
    /// in milliseconds since the Unix epoch.
    pub fn query(&self, sql: impl SqlSafeStr) -> Query<'static, Any, AnyArguments> {
        self.dialect.query(sql)
    }

    /// sqlx's connection, which executes statements.
    pub fn executor(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

/// The verb and the table of a transaction's main statement, for traces and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// The verb, `INSERT` for instance (`db.operation.name`).
    pub operation: &'static str,
    /// The table, `orders` for instance (`db.collection.name`).
    pub collection: &'static str,
}

impl Summary {
    /// `operation` on `collection`.
    pub const fn new(operation: &'static str, collection: &'static str) -> Self {
        Self { operation, collection }
    }
}

/// The statements of one transaction as a value, which can be queued and run again.
#[async_trait]
pub trait Transaction: Send + Sync + 'static {
    /// The result.
    type Output: Send + 'static;

    /// The name in traces and metrics; empty by default.
    const SUMMARY: Summary = Summary::new("", "");

    /// Called right before the first statement, after any BEGIN; `false` withdraws the transaction.
    fn may_begin(&self) -> bool {
        true
    }

    /// Whether the transaction is one statement. MySQL and PostgreSQL run it without BEGIN and COMMIT.
    fn is_single(&self) -> bool {
        false
    }

    /// Identifies the row that concurrent transactions lock one after another, an account for instance. On a
    /// server, transactions with the same key take at most a quarter of the connections, and of more than 32
    /// at once the others are rejected as not started. `None`, the default, is not limited.
    fn contention_key(&self) -> Option<u64> {
        None
    }

    /// Sends the statements; an error rolls them back. Must have no effect outside the database, since it is
    /// called again after some rollbacks.
    async fn run(&self, connection: &mut Connection) -> Result<Self::Output, sqlx::Error>;
}

/// Why a transaction is not known to be committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// Withdrawn by [`Transaction::may_begin`]; nothing was written.
    #[error("withdrawn before it began")]
    Withdrawn,
    /// Nothing was written: no connection or no place in the queue was available in time.
    #[error("not started: {}", Cause(.0))]
    NotStarted(Arc<sqlx::Error>),
    /// Nothing was written: the database rejected a statement, and the transaction was rolled back.
    #[error("refused: {}", Cause(.0))]
    Refused(Arc<sqlx::Error>),
    /// Nothing was written: the transaction panicked on SQLite and was rolled back. (On MySQL and PostgreSQL
    /// the panic unwinds into the caller.)
    #[error("panicked")]
    Panicked,
    /// In doubt: the connection failed before the outcome was known.
    #[error("outcome unknown: {}", Cause(.0))]
    Unknown(Arc<sqlx::Error>),
}

impl WriteError {
    pub(crate) fn not_started(error: sqlx::Error) -> Self {
        Self::NotStarted(Arc::new(error))
    }

    /// Whether the database refused the data ([`is_data_error`]): a retry fails as well.
    pub fn is_data_error(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        is_data_error(error)
    }

    /// Whether the database rejected a row because of a unique key. sqlx does not report which key on SQLite
    /// and MySQL.
    pub fn is_unique_violation(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        error.as_database_error().is_some_and(|error| error.is_unique_violation())
    }
}
