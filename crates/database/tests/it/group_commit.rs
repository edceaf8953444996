//! Group commit: concurrent writers of one SQLite file.

use std::time::Duration;
use test_support::{Trial, tests};

use database::WriteError;
use sqlx::{AnyConnection, Connection, Executor};

use crate::{
    fixtures::{Insert, Panics, Select, at_once, count, insert},
    sqlite::open,
};

pub(crate) fn trials() -> Vec<Trial> {
    tests![
        multi_thread;
        concurrent_writers_get_their_own_outputs,
        a_failed_transaction_is_rolled_back_alone,
        a_withdrawn_transaction_writes_nothing,
        a_rollback_by_sqlite_fails_only_its_cause,
        a_panic_fails_only_its_transaction,
        a_panic_in_a_read_loses_no_connection,
        a_write_waits_for_another_process_beyond_the_busy_timeout,
    ]
    .into()
}

async fn concurrent_writers_get_their_own_outputs() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let results = at_once(&database, (0..64).map(Insert::of).collect()).await;
    let outputs: Vec<i64> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(outputs, (0..64).collect::<Vec<_>>());
    assert_eq!(count(&database).await, 64);
}

async fn a_failed_transaction_is_rolled_back_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    insert(&database, 1000).await.unwrap();
    // Every third transaction fails at its second row, after writing its first.
    let fails = |key: i64| key % 3 == 0;
    let transactions = (0..64).map(|key| Insert { keys: (key, fails(key).then_some(1000)), permitted: true });
    for (key, result) in (0..).zip(at_once(&database, transactions.collect()).await) {
        match result {
            Ok(own) => assert!(own == key && !fails(key)),
            Err(error) => assert!(error.is_unique_violation() && fails(key), "{error}"),
        }
    }
    assert_eq!(count(&database).await, 1 + (0..64_i64).map(|key| i64::from(!fails(key))).sum::<i64>());
}

async fn a_withdrawn_transaction_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let transactions = (0..64).map(|key| Insert { permitted: key % 2 == 0, ..Insert::of(key) });
    for (key, result) in (0..).zip(at_once(&database, transactions.collect()).await) {
        assert_eq!(result.is_ok(), key % 2 == 0);
        assert!(result.is_ok() || matches!(result, Err(WriteError::Withdrawn)));
    }
    assert_eq!(count(&database).await, 32);
}

/// SQLite ends the whole transaction, as it does when the disk is full.
async fn a_rollback_by_sqlite_fails_only_its_cause() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    insert(&database, 1000).await.unwrap();
    let neighbours = at_once(&database, (0..32).map(Insert::of).collect());
    let breaker = database.write(Select("INSERT OR ROLLBACK INTO t (k) VALUES (1000)"));
    let (results, broken) = tokio::join!(neighbours, breaker);
    assert!(broken.is_err_and(|error| error.is_unique_violation()));
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(count(&database).await, 33);
}

async fn a_panic_fails_only_its_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    for (panicking, first) in [(Panics::Written, 0), (Panics::NotBegun, 100), (Panics::Alone, 200)] {
        let neighbours = at_once(&database, (first..first + 32).map(Insert::of).collect());
        let panics = database.write(panicking);
        let more = at_once(&database, (first + 32..first + 64).map(Insert::of).collect());
        let (results, panicked, more) = tokio::join!(neighbours, panics, more);
        assert!(matches!(panicked, Err(WriteError::Panicked)), "{panicked:?}");
        assert!(results.iter().chain(&more).all(Result::is_ok), "{results:?} {more:?}");
        // In a group of one.
        let alone = database.write(panicking).await;
        assert!(matches!(alone, Err(WriteError::Panicked)), "{alone:?}");
        insert(&database, first + 99).await.unwrap();
    }
    assert_eq!(count(&database).await, 3 * 65);
    database.close().await;
}

async fn a_panic_in_a_read_loses_no_connection() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    for _ in 0..8 {
        let database = database.clone();
        let panicked = tokio::spawn(async move { database.read(Panics::Alone).await }).await;
        assert!(panicked.is_err_and(|error| error.is_panic()));
    }
    assert_eq!(count(&database).await, 0);
}

async fn a_write_waits_for_another_process_beyond_the_busy_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let database = open(&file).await;
    let mut shell = AnyConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    shell.execute("BEGIN IMMEDIATE").await.unwrap();
    let writing = tokio::spawn(async move { insert(&database, 1).await });
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!writing.is_finished());
    shell.execute("ROLLBACK").await.unwrap();
    writing.await.unwrap().unwrap();
}
