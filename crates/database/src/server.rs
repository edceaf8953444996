//! Work on a database server: a transaction each, on a connection of the pool, run again where the server asks
//! for that.

use std::{sync::Arc, time::Duration};

use service_kit::ids::jittered;
use sqlx::Executor;
use tokio::time::Instant;

use crate::{
    commit::commit,
    dialect::is_broken,
    pool::{Connector, Held, Pool},
    work::{Work, WriteError},
};

/// How long a transaction is run again before its caller is told that it was refused.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// The first pause before it is run again, at most; each later one may be twice as long, up to
/// [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// What `work` comes to, once it is committed.
pub(crate) async fn write<W: Work>(pool: &Pool, work: &W) -> Result<W::Output, WriteError> {
    let started = Instant::now();
    let mut pause_max = PAUSE_FIRST;
    loop {
        let tried = match work.is_single() {
            true => single(pool, work).await,
            false => transaction(pool, work).await,
        };
        match tried {
            Err(WriteError::Refused(error))
                if pool.connector().dialect.is_transient(&error) && started.elapsed() < RETRY_MAX =>
            {
                tracing::debug!(%error, "the transaction is run again");
                tokio::time::sleep(jittered(pause_max)).await;
                pause_max = (pause_max * 2).min(PAUSE_MAX);
            }
            tried => return tried,
        }
    }
}

async fn transaction<W: Work>(pool: &Pool, work: &W) -> Result<W::Output, WriteError> {
    let mut held = begin(pool).await.map_err(WriteError::not_started)?;
    let connector = pool.connector();
    if !work.may_begin() {
        roll_back(connector, held).await;
        return Err(WriteError::Withdrawn);
    }
    let session = held.session();
    let output = match connector.run(work, session).await {
        Ok(output) => output,
        Err(error) if is_broken(&error) => return Err(WriteError::Unknown(Arc::new(error))),
        Err(error) => {
            roll_back(connector, held).await;
            return Err(WriteError::Refused(Arc::new(error)));
        }
    };
    let committing = connector.answered(session.connection.execute("COMMIT"));
    match commit(connector, committing).await {
        Ok(_) => {
            held.release();
            Ok(output)
        }
        Err(error) if connector.dialect.is_refusal(&error) => Err(WriteError::Refused(Arc::new(error))),
        Err(error) => Err(WriteError::Unknown(Arc::new(error))),
    }
}

/// Ends the transaction; a connection on which that fails is dropped, and the server ends it then.
async fn roll_back(connector: &Connector, mut held: Held) {
    if connector.answered(held.session().connection.execute("ROLLBACK")).await.is_ok() {
        held.release();
    }
}

/// A connection in a transaction. Where one proves dead, so may all that idle: the next is a new one.
async fn begin(pool: &Pool) -> Result<Held, sqlx::Error> {
    let connector = pool.connector();
    for may_retry in [true, false] {
        let mut held = pool.get().await?;
        let begun = connector.answered(held.session().connection.execute(connector.dialect.begin())).await;
        match begun {
            Ok(_) => return Ok(held),
            Err(_) if may_retry => pool.distrust_idle(),
            Err(error) => return Err(error),
        }
    }
    Err(sqlx::Error::PoolTimedOut)
}

async fn single<W: Work>(pool: &Pool, work: &W) -> Result<W::Output, WriteError> {
    let mut held = pool.get().await.map_err(WriteError::not_started)?;
    if !work.may_begin() {
        held.release();
        return Err(WriteError::Withdrawn);
    }
    let connector = pool.connector();
    match commit(connector, connector.run(work, held.session())).await {
        Ok(output) => {
            held.release();
            Ok(output)
        }
        // The statement is its own transaction: only what rolls one back is known to have done nothing.
        Err(error) => {
            let definite = connector.dialect.is_transient(&error)
                || error.as_database_error().is_some_and(|error| error.is_unique_violation());
            if is_broken(&error) {
                pool.distrust_idle();
            }
            let error = Arc::new(error);
            Err(if definite { WriteError::Refused(error) } else { WriteError::Unknown(error) })
        }
    }
}

/// What `work`, which only reads, comes to. A dead connection is replaced once.
pub(crate) async fn read<W: Work>(pool: &Pool, work: &W) -> Result<W::Output, sqlx::Error> {
    for may_retry in [true, false] {
        let mut held = pool.get().await?;
        match pool.connector().run(work, held.session()).await {
            Err(error) if is_broken(&error) => {
                pool.distrust_idle();
                if !may_retry {
                    return Err(error);
                }
            }
            answered => {
                held.release();
                return answered;
            }
        }
    }
    Err(sqlx::Error::PoolTimedOut)
}
