//! Runs transactions on pooled connections, and again after a deadlock or a serialization failure, and on a
//! new connection where the server became read-only or lost its prepared statements.

use std::{mem, sync::Arc, time::Duration};

use service_kit::ids::jittered;
use sqlx::Executor;
use tokio::time::Instant;

use crate::{
    commit::commit,
    connector::Connector,
    data_errors::is_data_error,
    dialect::is_broken,
    pool::{Pool, PooledConnection},
    transaction::{Transaction, WriteError},
};

/// How often a transaction runs if its prepared statements are stale: the schema may change again meanwhile.
const STALE_ATTEMPTS_MAX: usize = 3;
/// For how long a transaction is retried.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Limit of the first random pause between attempts. It doubles up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Runs and commits `transaction`. Retries it while the failure is transient, and on new connections.
pub(crate) async fn write<T: Transaction>(pool: &Pool, transaction: &T) -> Result<T::Output, WriteError> {
    let started = Instant::now();
    let mut pause_max = PAUSE_FIRST;
    let mut reconnects_left = STALE_ATTEMPTS_MAX - 1;
    loop {
        let attempt = match transaction.is_single() {
            true => single(pool, transaction).await,
            false => begin_and_commit(pool, transaction).await,
        };
        match attempt {
            Err(WriteError::Refused(error))
                if reconnects_left > 0 && pool.connector().dialect.needs_new_connection(&error) =>
            {
                tracing::debug!(%error, "retrying transaction on a new connection");
                reconnects_left -= 1;
            }
            Err(WriteError::Refused(error))
                if pool.connector().dialect.is_transient(&error) && started.elapsed() < RETRY_MAX =>
            {
                tracing::debug!(%error, "retrying transaction");
                tokio::time::sleep(jittered(pause_max)).await;
                pause_max = (pause_max * 2).min(PAUSE_MAX);
            }
            attempt => return attempt,
        }
    }
}

async fn begin_and_commit<T: Transaction>(pool: &Pool, transaction: &T) -> Result<T::Output, WriteError> {
    let mut pooled = begin(pool).await.map_err(WriteError::not_started)?;
    let connector = pool.connector();
    if !transaction.may_begin() {
        roll_back(connector, pooled).await;
        return Err(WriteError::Withdrawn);
    }
    let connection = pooled.connection();
    let output = match connector.run(transaction, connection).await {
        Ok(output) => output,
        // COMMIT was not sent, so that nothing is written on a lost connection either.
        Err(error) => {
            end_failed(pool, pooled, &error).await;
            return Err(WriteError::Refused(Arc::new(error)));
        }
    };
    let committing = connector.within_limit(connection.inner.execute("COMMIT"));
    match commit(connector, committing).await {
        Ok(_) => {
            pooled.release();
            Ok(output)
        }
        Err(error) => {
            if connector.dialect.is_read_only(&error) {
                pool.evict();
            }
            let refused = connector.dialect.is_refusal(&error);
            let error = Arc::new(error);
            Err(if refused { WriteError::Refused(error) } else { WriteError::Unknown(error) })
        }
    }
}

/// Ends a transaction of which a statement failed with `error`: rolls back, or closes the connection.
async fn end_failed(pool: &Pool, pooled: PooledConnection, error: &sqlx::Error) {
    if pool.connector().dialect.needs_new_connection(error) {
        pool.evict();
    } else if !is_broken(error) {
        roll_back(pool.connector(), pooled).await;
    }
}

/// Rolls back. Where that fails the connection is closed, and the server rolls back.
async fn roll_back(connector: &Connector, mut pooled: PooledConnection) {
    if connector.within_limit(pooled.connection().inner.execute("ROLLBACK")).await.is_ok() {
        pooled.release();
    }
}

/// Takes a connection and begins a transaction. After a failure, all connections are evicted and a new one is
/// tried.
async fn begin(pool: &Pool) -> Result<PooledConnection, sqlx::Error> {
    let connector = pool.connector();
    for may_retry in [true, false] {
        let mut pooled = pool.get_writable().await?;
        let begin = pooled.connection().inner.execute(connector.dialect.begin());
        match connector.within_limit(begin).await {
            Ok(_) => return Ok(pooled),
            Err(_) if may_retry => pool.evict(),
            Err(error) => return Err(error),
        }
    }
    Err(sqlx::Error::PoolTimedOut)
}

async fn single<T: Transaction>(pool: &Pool, transaction: &T) -> Result<T::Output, WriteError> {
    let mut pooled = pool.get_writable().await.map_err(WriteError::not_started)?;
    if !transaction.may_begin() {
        pooled.release();
        return Err(WriteError::Withdrawn);
    }
    let connector = pool.connector();
    match commit(connector, connector.run(transaction, pooled.connection())).await {
        Ok(output) => {
            pooled.release();
            Ok(output)
        }
        // The statement commits itself. Only errors that roll it back prove that nothing was written.
        Err(error) => {
            let needs_new_connection = connector.dialect.needs_new_connection(&error);
            let rolled_back = needs_new_connection
                || connector.dialect.is_transient(&error)
                || is_data_error(&error)
                || error.as_database_error().is_some_and(|error| error.is_unique_violation());
            if needs_new_connection || is_broken(&error) {
                pool.evict();
            }
            let error = Arc::new(error);
            Err(if rolled_back { WriteError::Refused(error) } else { WriteError::Unknown(error) })
        }
    }
}

/// Runs `transaction`, which only reads. Retries on a new connection where the first one is broken (once) or
/// its prepared statements are stale.
pub(crate) async fn read<T: Transaction>(pool: &Pool, transaction: &T) -> Result<T::Output, sqlx::Error> {
    let (mut may_be_broken, mut stale_left) = (true, STALE_ATTEMPTS_MAX - 1);
    loop {
        let mut pooled = pool.get().await?;
        let error = match pool.connector().run(transaction, pooled.connection()).await {
            Err(error) => error,
            Ok(output) => {
                pooled.release();
                return Ok(output);
            }
        };
        if is_broken(&error) {
            pool.evict();
            if !mem::take(&mut may_be_broken) {
                return Err(error);
            }
        } else if pool.connector().dialect.is_stale_statement(&error) && stale_left > 0 {
            pool.evict();
            stale_left -= 1;
        } else {
            pooled.release();
            return Err(error);
        }
    }
}
