//! Many writers of one file: each is answered for itself, after a commit that others share.

use std::time::Duration;

use database::WriteError;
use sqlx::{AnyConnection, Connection, Executor};

use super::{
    given::{Ask, Insert, Panics, at_once, count, insert},
    open,
};

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_writers_at_once_are_each_answered_with_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let answers = at_once(&database, (0..64).map(Insert::of).collect()).await;
    let answers: Vec<i64> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, (0..64).collect::<Vec<_>>());
    assert_eq!(count(&database).await, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_is_undone_and_its_neighbours_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    insert(&database, 1000).await.unwrap();
    // Every third fails at its second row, when its first is written.
    let fails = |key: i64| key % 3 == 0;
    let works = (0..64).map(|key| Insert { keys: (key, fails(key).then_some(1000)), permitted: true });
    for (key, answer) in (0..).zip(at_once(&database, works.collect()).await) {
        match answer {
            Ok(own) => assert!(own == key && !fails(key)),
            Err(error) => assert!(error.is_unique_violation() && fails(key), "{error}"),
        }
    }
    assert_eq!(count(&database).await, 1 + (0..64_i64).map(|key| i64::from(!fails(key))).sum::<i64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_withdrawn_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let works = (0..64).map(|key| Insert { permitted: key % 2 == 0, ..Insert::of(key) });
    for (key, answer) in (0..).zip(at_once(&database, works.collect()).await) {
        assert_eq!(answer.is_ok(), key % 2 == 0);
        assert!(answer.is_ok() || matches!(answer, Err(WriteError::Withdrawn)));
    }
    assert_eq!(count(&database).await, 32);
}

/// What SQLite itself does when the disk is full: it ends the transaction, whoever else is in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_lost_costs_only_the_one_that_lost_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    insert(&database, 1000).await.unwrap();
    let neighbours = at_once(&database, (0..32).map(Insert::of).collect());
    let breaker = database.write(Ask("INSERT OR ROLLBACK INTO t (k) VALUES (1000)"));
    let (answers, broken) = tokio::join!(neighbours, breaker);
    assert!(broken.is_err_and(|error| error.is_unique_violation()));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(count(&database).await, 33);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_panics_writes_nothing_and_costs_nobody_else_a_thing() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    for (works, first) in [(Panics::Written, 0), (Panics::NotBegun, 100), (Panics::Alone, 200)] {
        let neighbours = at_once(&database, (first..first + 32).map(Insert::of).collect());
        let panics = database.write(works);
        let more = at_once(&database, (first + 32..first + 64).map(Insert::of).collect());
        let (answers, panicked, more) = tokio::join!(neighbours, panics, more);
        assert!(matches!(panicked, Err(WriteError::Panicked)), "{panicked:?}");
        assert!(answers.iter().chain(&more).all(Result::is_ok), "{answers:?} {more:?}");
        // By itself, too.
        let alone = database.write(works).await;
        assert!(matches!(alone, Err(WriteError::Panicked)), "{alone:?}");
        insert(&database, first + 99).await.unwrap();
    }
    assert_eq!(count(&database).await, 3 * 65);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_panic_cost_no_connection() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    for _ in 0..8 {
        let database = database.clone();
        let panicked = tokio::spawn(async move { database.read(Panics::Alone).await }).await;
        assert!(panicked.is_err_and(|error| error.is_panic()));
    }
    assert_eq!(count(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_that_writes_for_longer_than_sqlite_waits_is_waited_for() {
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
