//! What differs between the databases: how a parameter is written, a transaction begun, an error told, a
//! migration locked out, and what a session is told when it begins.

use std::time::Duration;

use sqlx::{
    Any, AssertSqlSafe, SqlSafeStr, SqlStr, error::DatabaseError, mysql::MySqlDatabaseError, query::Query,
};

/// What a statement calls the database's clock, in milliseconds since the Unix epoch.
pub const NOW_MS: &str = "NOW_MS()";
/// How long a statement waits for a row that another transaction holds, in seconds.
const ROW_WAIT_SECONDS: u64 = 3;
const POSTGRES_LOCK_TIMEOUT: &str = "SET lock_timeout = '3s'";

/// What lets one process at a time migrate a database.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MigrationLock {
    /// The transaction that migrates, which `patience` has wait for as long as it takes.
    Transaction {
        /// A statement.
        patience: &'static str,
    },
    /// A lock that the session holds until it ends.
    Session {
        /// Has the session wait for locks as long as it takes.
        patience: &'static str,
        /// Takes the lock, and answers 1.
        lock: &'static str,
        /// Has the session wait for locks as others do.
        habit: &'static str,
    },
}

/// Which SQL, and which habits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    MySql,
    Postgres,
}

impl Dialect {
    /// What the semantic conventions call it (`db.system.name`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MySql => "mysql",
            Self::Postgres => "postgresql",
        }
    }

    /// `sql`, whose parameters are written `?` (and which holds no other question mark) and whose clock is
    /// [`NOW_MS`], as this database writes them.
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

    /// [`NOW_MS`] as this database writes it: the same throughout a statement, so that an index can be searched by
    /// it. (sqlx's sessions on MySQL are in UTC.)
    pub(crate) fn now_ms(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// What starts a transaction that will write. In SQLite a deferred one that turns from reading to writing is
    /// refused at once where another has written meanwhile, whatever the busy timeout.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::MySql | Self::Postgres => "BEGIN",
        }
    }

    /// What every session is told first.
    ///
    /// SQLite: another process (an operator's shell) is waited for; WAL with the default NORMAL loses the last
    /// commits when the power fails, FULL syncs each. MySQL: a text that does not fit is an error, not cut short;
    /// at READ COMMITTED the loser of a compare-and-set reads what the winner wrote.
    pub(crate) fn preparation(self) -> SqlStr {
        match self {
            Self::Sqlite => {
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                             PRAGMA foreign_keys = ON"
                    .into_sql_str()
            }
            Self::MySql => AssertSqlSafe(format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION autocommit = 1, \
                 SESSION innodb_lock_wait_timeout = {ROW_WAIT_SECONDS}, \
                 SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
            ))
            .into_sql_str(),
            Self::Postgres => AssertSqlSafe(format!(
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; {POSTGRES_LOCK_TIMEOUT}"
            ))
            .into_sql_str(),
        }
    }

    /// What keeps other migrations out. (MariaDB knows no wait without end, and no long names of locks.)
    pub(crate) fn migration_lock(self) -> MigrationLock {
        match self {
            Self::Sqlite => MigrationLock::Transaction { patience: "PRAGMA busy_timeout = 3600000" },
            Self::MySql => MigrationLock::Session {
                patience: "DO 0",
                lock: "SELECT GET_LOCK(CONCAT('migrations.', SHA1(DATABASE())), 3600)",
                habit: "DO 0",
            },
            Self::Postgres => MigrationLock::Session {
                patience: "SET lock_timeout = 0",
                lock: "SELECT 1::bigint FROM pg_advisory_lock(7305808932)",
                habit: POSTGRES_LOCK_TIMEOUT,
            },
        }
    }

    /// Whether the transaction that failed with `error` has a good chance when it is run again: a deadlock, a
    /// serialization failure, a lock that was not given in time.
    pub(crate) fn is_transient(self, error: &sqlx::Error) -> bool {
        let Some(error) = error.as_database_error() else { return false };
        match self {
            Self::Sqlite => is_sqlite_code(error, &[SQLITE_BUSY, SQLITE_LOCKED]),
            Self::MySql => matches!(mysql_number(error), Some(1205 | 1213)),
            Self::Postgres => matches!(error.code().as_deref(), Some("40001" | "40P01" | "55P03")),
        }
    }

    /// Whether a COMMIT that failed with `error` is known to have done nothing.
    pub(crate) fn is_refusal(self, error: &sqlx::Error) -> bool {
        let Some(answer) = error.as_database_error() else { return false };
        // A full disk shows before the last page of the transaction, without which there is none.
        self.is_transient(error)
            || (self == Self::Sqlite && is_sqlite_code(answer, &[SQLITE_READONLY, SQLITE_FULL]))
    }

    /// Whether a database that refused a connection with `error` may be there later.
    pub(crate) fn may_come_up(self, error: &sqlx::Error) -> bool {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
            sqlx::Error::Database(answer) => match self {
                Self::Sqlite => is_sqlite_code(&**answer, &[SQLITE_BUSY, SQLITE_LOCKED]),
                // Too many connections, shutting down.
                Self::MySql => matches!(mysql_number(&**answer), Some(1040 | 1053 | 1203)),
                // Cannot connect now (starting up, recovering, shutting down), too many connections.
                Self::Postgres => matches!(answer.code().as_deref(), Some("57P01" | "57P03" | "53300")),
            },
            _ => false,
        }
    }
}

const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_FULL: u32 = 13;

fn is_sqlite_code(error: &dyn DatabaseError, codes: &[u32]) -> bool {
    let code: Option<u32> = error.code().and_then(|code| code.parse().ok());
    // The low byte is the code; what stands above it only refines it.
    code.is_some_and(|code| codes.contains(&(code & 0xff)))
}

fn mysql_number(error: &dyn DatabaseError) -> Option<u16> {
    error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// With `$1`, `$2`, … for each `?`.
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

/// Whether `error` says that the connection is of no more use, rather than what the database thinks of a
/// statement.
pub(crate) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        // SQLSTATE: the server shuts down or ends the session (57P), the connection is lost (08).
        sqlx::Error::Database(answer) => {
            answer.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
        }
        sqlx::Error::RowNotFound
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Encode(_) => false,
        _ => true,
    }
}

/// What a wait that took longer than `bound` ends with.
pub(crate) fn timed_out(bound: Duration) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {bound:?}")))
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
    fn a_lost_connection_is_told_from_a_refused_statement() {
        assert!(is_broken(&timed_out(Duration::from_secs(1))));
        assert!(is_broken(&sqlx::Error::WorkerCrashed));
        assert!(!is_broken(&sqlx::Error::RowNotFound));
    }
}
