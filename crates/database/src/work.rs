//! A piece of work for a database, and what can become of it.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Any, AnyConnection, SqlSafeStr, any::AnyArguments, query::Query};

use crate::dialect::Dialect;

/// One connection, in the hands of one piece of work.
#[derive(Debug)]
pub struct Session {
    pub(crate) connection: AnyConnection,
    pub(crate) dialect: Dialect,
}

impl Session {
    /// A statement with `?` for each parameter and no other question mark, to be bound and then executed on
    /// [`connection`](Self::connection). `NOW_MS()` in it is the database's clock, in milliseconds since the Unix
    /// epoch.
    pub fn query(&self, sql: impl SqlSafeStr) -> Query<'static, Any, AnyArguments> {
        self.dialect.query(sql)
    }

    /// Where statements are executed.
    pub fn connection(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

/// What a piece of work is called by those who trace and count: its main statement's verb and table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// `INSERT`, for instance.
    pub operation: &'static str,
    /// `orders`, for instance.
    pub collection: &'static str,
}

impl Summary {
    /// `operation` on `collection`.
    pub const fn new(operation: &'static str, collection: &'static str) -> Self {
        Self { operation, collection }
    }
}

/// Statements that belong together, as a value: it can be queued, and run again where the database asks for that.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    /// What it comes to.
    type Output: Send + 'static;

    /// What it is called; nothing, by default.
    const SUMMARY: Summary = Summary::new("", "");

    /// Asked right before the first statement is sent; `false` withdraws the work.
    fn may_begin(&self) -> bool {
        true
    }

    /// Whether it is one statement, which a server needs no transaction around.
    fn is_single(&self) -> bool {
        false
    }

    /// Sends the statements. Called again from the start where the transaction was rolled back, so that it may
    /// have no effect but on the database. On an error, everything that it wrote is rolled back.
    async fn run(&self, session: &mut Session) -> Result<Self::Output, sqlx::Error>;
}

/// Why a piece of work is not known to be done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// Withdrawn by [`Work::may_begin`]; nothing was written.
    #[error("withdrawn before it began")]
    Withdrawn,
    /// Nothing was written: no connection, or no turn, could be had in time.
    #[error("not begun: {0}")]
    NotStarted(Arc<sqlx::Error>),
    /// Nothing was written: the database said no, and everything was rolled back.
    #[error("refused: {0}")]
    Refused(Arc<sqlx::Error>),
    /// Nothing was written: the work panicked on SQLite, and everything was rolled back. (On a server the panic is the
    /// caller's own.)
    #[error("panicked")]
    Panicked,
    /// It may have been written: there was no answer.
    #[error("no answer: {0}")]
    Unknown(Arc<sqlx::Error>),
}

impl WriteError {
    pub(crate) fn not_started(error: sqlx::Error) -> Self {
        Self::NotStarted(Arc::new(error))
    }

    /// Whether the database refused since a row with this key is there already. Which key it was, it does not
    /// tell: sqlx knows no constraint names on SQLite and MySQL.
    pub fn is_unique_violation(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        error.as_database_error().is_some_and(|error| error.is_unique_violation())
    }
}
