//! Many transactions for one row that is locked: the others keep most of the pool.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use database::{Connection, Transaction, WriteError};
use test_support::{Failed, Trial, check, server::Kind};
use tokio::{sync::oneshot, task::JoinSet};

use super::{fresh, on, open, vanished_host::Update};
use crate::fixtures::insert;

/// Limit of transactions of one contention key that run or wait.
const ADMITTED_MAX: usize = 32;
/// Time limit for all writes to the other row, and for the rejection of one too many.
const OTHERS_MAX: Duration = Duration::from_secs(2);

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![on(kind, "a_locked_row_leaves_the_pool_to_other_rows", others_are_served)]
}

/// Locks a row until `released`.
struct Lock {
    locked: std::sync::Mutex<Option<oneshot::Sender<()>>>,
    released: tokio::sync::Mutex<oneshot::Receiver<()>>,
}

#[async_trait]
impl Transaction for Lock {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        Update(1).run(connection).await?;
        if let Some(locked) = self.locked.lock().unwrap().take() {
            locked.send(()).unwrap();
        }
        // The result does not matter: the sender may be gone.
        let _ = (&mut *self.released.lock().await).await;
        Ok(())
    }
}

async fn others_are_served(kind: Kind) -> Result<(), Failed> {
    let (_server, _, config) = fresh(kind).await?;
    let (database, locking) = (open(&config).await, open(&config).await);
    insert(&database, 1).await?;
    insert(&database, 2).await?;
    let ((locked, is_locked), (release, released)) = (oneshot::channel(), oneshot::channel());
    let lock = Lock { locked: Some(locked).into(), released: released.into() };
    let locker = tokio::spawn(async move { locking.write(lock).await });
    is_locked.await?;
    let mut waiting = JoinSet::new();
    for _ in 0..=ADMITTED_MAX {
        let database = database.clone();
        waiting.spawn(async move { database.write(Update(1)).await });
    }
    // One of 33 is rejected at once.
    let first = tokio::time::timeout(OTHERS_MAX, waiting.join_next()).await?.ok_or("no transaction")??;
    check(
        matches!(&first, Err(WriteError::NotStarted(error)) if error.to_string().contains("same row")),
        || format!("{first:?}"),
    )?;
    let started = Instant::now();
    for _ in 0..50 {
        futures_util::future::try_join_all((0..8).map(|_| database.write(Update(2)))).await?;
    }
    check(started.elapsed() < OTHERS_MAX, || format!("400 writes took {:?}", started.elapsed()))?;
    release.send(()).map_err(|()| "the lock has ended")?;
    locker.await??;
    while let Some(written) = waiting.join_next().await {
        written??;
    }
    Ok(())
}
