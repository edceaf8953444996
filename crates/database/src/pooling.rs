//! Recognises a pooler that shares sessions of a PostgreSQL server between clients (PgBouncer with
//! `pool_mode=transaction` or `statement`).
//!
//! Such a pooler sends each transaction to any session. Session settings and prepared statements, which every
//! connection of this crate has, would be another client's. Two connections that are open at the same time
//! have two sessions, unless a pooler shares them. So a direct connection, or one through session pooling, is
//! never taken for a shared one.

use sqlx::{Executor, Row};

use crate::{connector::Connector, dialect::Dialect, transaction::Connection};

/// An idle pooler assigns the session that was released last: the first round finds it. With other clients a
/// transaction may get any session, and a round finds it with high probability.
const ROUNDS: usize = 5;

/// Whether `connection` shares its session with other connections.
///
/// # Errors
///
/// The error of `connection`. Without a second connection it is compared with itself alone.
pub(crate) async fn is_shared(
    connector: &Connector,
    connection: &mut Connection,
) -> Result<bool, sqlx::Error> {
    if connector.dialect != Dialect::Postgres {
        return Ok(false);
    }
    // Engines with the same protocol have an empty pg_stat_activity.
    let Some(own) = session(connection).await? else { return Ok(false) };
    let mut second = connector.connect().await.ok();
    for _ in 0..ROUNDS {
        if let Some(other) = &mut second {
            match session(other).await {
                Ok(session) if session.as_ref() == Some(&own) => return Ok(true),
                Ok(_) => {}
                Err(_) => second = None,
            }
        }
        if session(connection).await?.as_ref() != Some(&own) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Process id and start of a session: servers of a cluster may use the same process id. (The simple query
/// protocol prepares no statement.)
const SESSION: &str = "SELECT pid::text || ' ' || EXTRACT(EPOCH FROM backend_start)::text
     FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()";

async fn session(connection: &mut Connection) -> Result<Option<String>, sqlx::Error> {
    connection.inner.fetch_optional(SESSION).await?.map(|row| row.try_get(0)).transpose()
}
