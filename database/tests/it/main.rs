//! Opens real SQLite files, good ones and bad ones, and writes to them from many tasks at once.

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

use std::{path::Path, sync::LazyLock};

use chassis::admin::Readiness;
use database::{Database, OpenError, Target, is_unique_violation};
use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

static FIRST: LazyLock<Migrator> =
    LazyLock::new(|| migrator(&["CREATE TABLE t (k BIGINT PRIMARY KEY, v TEXT)"]));
static SECOND: LazyLock<Migrator> = LazyLock::new(|| {
    migrator(&["CREATE TABLE t (k BIGINT PRIMARY KEY, v TEXT)", "CREATE TABLE u (k BIGINT PRIMARY KEY)"])
});
static BROKEN: LazyLock<Migrator> = LazyLock::new(|| {
    migrator(&[
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v TEXT)",
        "CREATE TABLE w (k BIGINT)",
        "CREATE NONSENSE",
    ])
});

fn migrator(scripts: &[&'static str]) -> Migrator {
    let migrations = scripts.iter().zip(1..).map(|(sql, version)| {
        Migration::new(version, "test".into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

fn target(file: &Path) -> Target {
    Target::parse("sqlite", &format!("sqlite://{}", file.display())).unwrap()
}

async fn open(file: &Path) -> Database {
    Database::open(&target(file), &FIRST).await.unwrap()
}

async fn refused(file: &Path, migrations: &'static Migrator) -> OpenError {
    let error = Database::open(&target(file), migrations).await.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n') && line.contains(file.to_str().unwrap()), "{line}");
    error
}

async fn insert(database: &Database, key: i64) -> Result<(), sqlx::Error> {
    let mut transaction = database.begin().await?;
    sqlx::query("INSERT INTO t (k, v) VALUES (?, ?)").bind(key).bind("v").execute(&mut *transaction).await?;
    transaction.commit().await
}

async fn count(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM t").fetch_one(database.reader()).await.unwrap()
}

#[tokio::test]
async fn a_file_is_created_and_keeps_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    // Characters that mean something in a URL, and dots that a URL would resolve.
    let file = directory.path().join("a b%20#1&+.db");
    let database = open(&file).await;
    insert(&database, 1).await.unwrap();
    database.ping().await.unwrap();
    database.close().await;
    assert!(database.ping().await.is_err());
    assert!(file.is_file());
    assert_eq!(count(&open(&file).await).await, 1);
}

#[tokio::test]
async fn every_connection_syncs_each_commit() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let mut writer = database.begin().await.unwrap();
    let mut reader = database.reader().acquire().await.unwrap();
    for connection in [&mut *writer, &mut *reader] {
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
        let sync: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
        let keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&mut *connection).await.unwrap();
        assert_eq!((mode.as_str(), sync, keys), ("wal", 2, 1));
    }
}

#[tokio::test]
async fn what_is_no_usable_file_is_named_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let missing = refused(&directory.path().join("missing/x.db"), &FIRST).await;
    assert!(matches!(missing, OpenError::Directory { .. }), "{missing}");
    let is_directory = directory.path().join("d");
    std::fs::create_dir(&is_directory).unwrap();
    assert!(matches!(refused(&is_directory, &FIRST).await, OpenError::Connect { .. }));
    let text = directory.path().join("text.db");
    std::fs::write(&text, "this is not a database, but a text of some length").unwrap();
    assert!(refused(&text, &FIRST).await.to_string().contains("not a database"));
    // A directory in which even root creates no file.
    assert!(matches!(refused(Path::new("/proc/x.db"), &FIRST).await, OpenError::Connect { .. }));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    Database::open(&target(&file), &SECOND).await.unwrap().close().await;
    let error = refused(&file, &FIRST).await;
    assert!(matches!(error, OpenError::Newer { version: 2, .. }), "{error}");
    assert_eq!(count(&Database::open(&target(&file), &SECOND).await.unwrap()).await, 0);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_of_its_predecessors() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    assert!(matches!(refused(&file, &BROKEN).await, OpenError::Migrate { .. }));
    // Would fail where the first migration had stayed without its record, or the second with it.
    Database::open(&target(&file), &SECOND).await.unwrap();
}

#[tokio::test]
async fn all_that_open_a_new_file_at_once_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let (one, other, ..) = tokio::join!(open(&file), open(&file), open(&file), open(&file));
    insert(&one, 1).await.unwrap();
    assert_eq!(count(&other).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_writers_at_once_all_get_their_turn() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let writers = (0..64).map(|key| {
        let database = database.clone();
        tokio::spawn(async move { insert(&database, key).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(count(&database).await, 64);
}

#[tokio::test]
async fn a_row_that_is_there_is_told_from_other_failures() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    insert(&database, 1).await.unwrap();
    assert!(is_unique_violation(&insert(&database, 1).await.unwrap_err()));
    let other = sqlx::query("SELECT nothing FROM t").execute(database.reader()).await.unwrap_err();
    assert!(!is_unique_violation(&other));
}

#[tokio::test]
async fn a_transaction_that_was_dropped_or_broken_does_not_stop_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let mut dropped = database.begin().await.unwrap();
    sqlx::query("INSERT INTO t (k) VALUES (1)").execute(&mut *dropped).await.unwrap();
    drop(dropped);
    // What SQLite itself does when the disk is full: the transaction ends, and sqlx does not know.
    let mut broken = database.begin().await.unwrap();
    sqlx::query("ROLLBACK").execute(&mut *broken).await.unwrap();
    assert!(broken.commit().await.is_err());
    insert(&database, 2).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

#[tokio::test]
async fn a_watcher_notices_that_the_database_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let readiness = Readiness::default();
    let mut changes = readiness.subscribe();
    let watcher = database.watch(readiness.clone());
    changes.wait_for(|conditions| conditions.get("database") == Some(&true)).await.unwrap();
    database.close().await;
    changes.wait_for(|conditions| conditions.get("database") == Some(&false)).await.unwrap();
    watcher.abort();
}
