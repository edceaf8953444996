//! Differences between the databases: parameters, BEGIN, session settings, error codes.

use std::time::Duration;

use sqlx::{
    Any, AssertSqlSafe, SqlSafeStr, SqlStr, error::DatabaseError, mysql::MySqlDatabaseError, query::Query,
};

/// The database's clock in portable SQL, in milliseconds since the Unix epoch.
pub const NOW_MS: &str = "NOW_MS()";
/// How long a statement waits for a row lock on MySQL, in seconds.
const ROW_LOCK_WAIT_SECONDS: u64 = 3;
/// The same limit on PostgreSQL.
const POSTGRES_LOCK_TIMEOUT: &str = "SET lock_timeout = '3s'";
/// How long the server keeps a transaction whose client sends nothing, in seconds: the locks of a host that
/// has vanished are free after that. Longer than a transaction may take by default.
const IDLE_TRANSACTION_SECONDS: u64 = 10;

/// The kinds of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    MySql,
    Postgres,
}

impl Dialect {
    /// Its name in OpenTelemetry's semantic conventions (`db.system.name`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MySql => "mysql",
            Self::Postgres => "postgresql",
        }
    }

    /// Translates portable SQL: `?` for each parameter (no other question mark may occur), [`NOW_MS`] for the
    /// clock.
    pub(crate) fn query(self, sql: impl SqlSafeStr) -> Query<'static, Any, sqlx::any::AnyArguments> {
        let mut sql = sql.into_sql_str();
        if sql.as_str().contains(NOW_MS) {
            sql = AssertSqlSafe(sql.as_str().replace(NOW_MS, self.now_ms())).into_sql_str();
        }
        sqlx::query(match self {
            Self::Sqlite | Self::MySql => sql,
            Self::Postgres => AssertSqlSafe(numbered(sql.as_str())).into_sql_str(),
        })
    }

    /// This database's expression for [`NOW_MS`]. It is constant within a statement, so that an index can be
    /// searched by it. (sqlx sets the time zone of MySQL sessions to UTC.)
    pub(crate) fn now_ms(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// The statement that begins a writing transaction. SQLite fails a deferred transaction that first reads,
    /// and writes after another transaction has committed, regardless of the busy timeout.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::MySql | Self::Postgres => "BEGIN",
        }
    }

    /// Statements sent on every new connection.
    ///
    /// SQLite: a statement waits up to the busy timeout for the locks of other processes (an operator's
    /// shell). In WAL mode `synchronous = NORMAL` loses the last commits in a power failure; FULL syncs each
    /// commit. MySQL: strict mode rejects a text that does not fit instead of truncating it. READ COMMITTED:
    /// after a failed compare-and-set a transaction reads the row that the other one wrote.
    ///
    /// The server bounds an idle transaction. MariaDB executes the comment `/*M!`. MySQL, which executes
    /// `/*!50700`, has no such bound: there the session itself ends when it is idle, in the pool as well.
    ///
    /// The server ends a statement after `statement_max`; MySQL only one that reads.
    pub(crate) fn session_settings(self, statement_max: Option<Duration>) -> SqlStr {
        let limit = statement_max.map_or_else(String::new, |limit| self.statement_limit(limit));
        match self {
            Self::Sqlite => {
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                             PRAGMA foreign_keys = ON"
                    .into_sql_str()
            }
            Self::MySql => AssertSqlSafe(format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION autocommit = 1, \
                 SESSION innodb_lock_wait_timeout = {ROW_LOCK_WAIT_SECONDS}, \
                 SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES') \
                 /*M!100300 , SESSION idle_transaction_timeout = {IDLE_TRANSACTION_SECONDS} */ \
                 /*!50700 , SESSION wait_timeout = {IDLE_TRANSACTION_SECONDS} */{limit}"
            ))
            .into_sql_str(),
            Self::Postgres => AssertSqlSafe(format!(
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                 {POSTGRES_LOCK_TIMEOUT}; \
                 SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION_SECONDS}s'{limit}"
            ))
            .into_sql_str(),
        }
    }

    /// The end of the session settings that makes the server end a statement after `limit`.
    fn statement_limit(self, limit: Duration) -> String {
        let (seconds, milliseconds) = (limit.as_secs_f64(), limit.as_millis());
        match self {
            Self::Sqlite => String::new(),
            Self::MySql => format!(
                " /*M!100300 , SESSION max_statement_time = {seconds:.3} */ \
                 /*!50708 , SESSION max_execution_time = {milliseconds} */"
            ),
            Self::Postgres => format!("; SET statement_timeout = {milliseconds}"),
        }
    }

    /// A query of settings of which none is on while the server accepts writes, separated by commas. `None` on
    /// SQLite.
    ///
    /// PostgreSQL reports a server in recovery as read-only, too. Users with special rights may write to a
    /// MySQL server that is read-only; it counts as demoted all the same.
    pub(crate) fn read_only_query(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::MySql => {
                Some("SELECT CAST(CONCAT_WS(',', @@global.read_only, @@global.innodb_read_only) AS CHAR)")
            }
            Self::Postgres => Some("SELECT current_setting('transaction_read_only')"),
        }
    }

    /// Whether the server rejected a statement because it accepts no writes.
    pub(crate) fn is_read_only(self, error: &sqlx::Error) -> bool {
        let Some(error) = error.as_database_error() else { return false };
        match self {
            Self::Sqlite => is_sqlite_code(error, &[SQLITE_READONLY]),
            // An option prevents the statement, a read-only transaction, read-only mode, read-only InnoDB; a
            // Galera node that has lost its cluster executes nothing.
            Self::MySql => matches!(mysql_number(error), Some(1047 | 1290 | 1792 | 1836 | 1874)),
            Self::Postgres => error.code().as_deref() == Some("25006"),
        }
    }

    /// Whether the server rejected a statement that was prepared on this connection, before it ran: its
    /// result has another type by now, or the server has lost it.
    pub(crate) fn is_stale_statement(self, error: &sqlx::Error) -> bool {
        let Some(error) = error.as_database_error() else { return false };
        match self {
            // SQLite prepares a statement again itself.
            Self::Sqlite => false,
            // Unknown prepared statement, statement must be prepared again.
            Self::MySql => matches!(mysql_number(error), Some(1243 | 1615)),
            Self::Postgres => matches!(error.code().as_deref(), Some("0A000" | "26000")),
        }
    }

    /// Whether the statement that failed with `error` may succeed on a new connection, and did nothing on
    /// this one.
    pub(crate) fn needs_new_connection(self, error: &sqlx::Error) -> bool {
        self.is_read_only(error) || self.is_stale_statement(error)
    }

    /// Whether the database has no space left.
    pub(crate) fn is_full(self, error: &sqlx::Error) -> bool {
        let Some(error) = error.as_database_error() else { return false };
        match self {
            Self::Sqlite => is_sqlite_code(error, &[SQLITE_FULL]),
            Self::MySql => matches!(mysql_number(error), Some(1021 | 1114)),
            Self::Postgres => error.code().as_deref() == Some("53100"),
        }
    }

    /// Whether the database's user lacks the right to a statement.
    pub(crate) fn is_forbidden(self, error: &sqlx::Error) -> bool {
        let Some(error) = error.as_database_error() else { return false };
        match self {
            Self::Sqlite => false,
            // Denied for a database, a table, a column, an operation.
            Self::MySql => matches!(mysql_number(error), Some(1044 | 1142 | 1143 | 1227)),
            Self::Postgres => error.code().as_deref() == Some("42501"),
        }
    }

    /// Whether a retry of the transaction that failed with `error` may succeed: a deadlock, a serialization
    /// failure or a lock timeout.
    pub(crate) fn is_transient(self, error: &sqlx::Error) -> bool {
        let Some(error) = error.as_database_error() else { return false };
        match self {
            Self::Sqlite => is_sqlite_code(error, &[SQLITE_BUSY, SQLITE_LOCKED]),
            Self::MySql => matches!(mysql_number(error), Some(1205 | 1213)),
            Self::Postgres => matches!(error.code().as_deref(), Some("40001" | "40P01" | "55P03")),
        }
    }

    /// Whether a COMMIT that failed with `error` is known to have written nothing. SQLite notices a full disk
    /// before it writes the commit record.
    pub(crate) fn is_refusal(self, error: &sqlx::Error) -> bool {
        let full = self == Self::Sqlite && self.is_full(error);
        full || self.is_transient(error) || self.is_read_only(error)
    }

    /// Whether a connection that failed with `error` may succeed later: the server starts, stops or has no free
    /// connection, for all clients, for this user or for this database.
    pub(crate) fn may_connect_later(self, error: &sqlx::Error) -> bool {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
            sqlx::Error::Database(error) => match self {
                Self::Sqlite => is_sqlite_code(&**error, &[SQLITE_BUSY, SQLITE_LOCKED]),
                // Too many connections of all clients (1040), of each user (1203) or of this one (1226), no
                // thread for one more (1135), shutting down (1053), a Galera node that is not synced (1047).
                Self::MySql => {
                    matches!(mysql_number(&**error), Some(1040 | 1047 | 1053 | 1135 | 1203 | 1226))
                }
                Self::Postgres => match error.code().as_deref() {
                    // Cannot connect now (starting up, recovering, shutting down); too many connections of
                    // all clients, of this role or of this database, or all but the reserved ones.
                    Some("57P01" | "57P03" | "53300") => true,
                    // PgBouncer reports its limits, and a server that is down, as a protocol violation.
                    Some("08P01") => POOLER_TEMPORARY.iter().any(|text| error.message().contains(text)),
                    _ => false,
                },
            },
            _ => false,
        }
    }

    /// Whether a statement that changes the schema failed because another process had done the same: an object
    /// or a row exists already.
    pub(crate) fn is_schema_collision(self, error: &sqlx::Error) -> bool {
        let Some(error) = error.as_database_error() else { return false };
        match self {
            Self::Sqlite => false,
            // Table, column or index exists; duplicate row; error during COMMIT, statement interrupted (a
            // Galera node aborts a local transaction for a replicated one).
            Self::MySql => matches!(mysql_number(error), Some(1050 | 1060 | 1061 | 1062 | 1180 | 1317)),
            Self::Postgres => matches!(error.code().as_deref(), Some("23505" | "42P07" | "42701" | "42710")),
        }
    }

    /// Whether a statement names a column that its table does not have.
    pub(crate) fn is_unknown_column(self, error: &sqlx::Error) -> bool {
        let Some(error) = error.as_database_error() else { return false };
        match self {
            Self::Sqlite => error.message().contains("no such column"),
            Self::MySql => mysql_number(error) == Some(1054),
            Self::Postgres => error.code().as_deref() == Some("42703"),
        }
    }
}

/// Parts of PgBouncer's messages about a state that passes.
const POOLER_TEMPORARY: [&str; 7] = [
    "no more connections allowed",
    "too many",
    "query_wait_timeout",
    "cannot connect to server",
    "server login has been failing",
    "server conn crashed",
    "shutting down",
];

const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_FULL: u32 = 13;

fn is_sqlite_code(error: &dyn DatabaseError, codes: &[u32]) -> bool {
    let code: Option<u32> = error.code().and_then(|code| code.parse().ok());
    // The low byte is the primary result code.
    code.is_some_and(|code| codes.contains(&(code & 0xff)))
}

fn mysql_number(error: &dyn DatabaseError) -> Option<u16> {
    error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// Replaces each `?` by `$1`, `$2`, …
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        text.push('$');
        text.push_str(&(index + 1).to_string());
        text.push_str(part);
    }
    text
}

/// Whether `error` means that the connection is unusable, not that a statement failed.
pub(crate) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        // SQLSTATE: the server shuts down or ends the session (57P), it ended a transaction that was idle
        // (25P03), the connection is lost (08).
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| ["57P", "25P03", "08"].iter().any(|state| code.starts_with(state))),
        sqlx::Error::RowNotFound
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Encode(_) => false,
        _ => true,
    }
}

/// The error of a write to a server that is read-only.
pub(crate) fn read_only() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::ReadOnlyFilesystem,
        "the database server is read-only: it is a replica, or it was demoted",
    ))
}

/// The error of an operation that exceeded `limit`.
pub(crate) fn timed_out(limit: Duration) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("no response within {limit:?}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_from_one() {
        assert_eq!(numbered("a = ? AND b < ? LIMIT ?"), "a = $1 AND b < $2 LIMIT $3");
        assert_eq!(numbered("SELECT 1"), "SELECT 1");
    }

    #[test]
    fn a_lost_connection_is_broken_and_a_failed_statement_is_not() {
        assert!(is_broken(&timed_out(Duration::from_secs(1))));
        assert!(is_broken(&sqlx::Error::WorkerCrashed));
        assert!(!is_broken(&sqlx::Error::RowNotFound));
    }
}
