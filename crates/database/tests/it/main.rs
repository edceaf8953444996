//! Opens real SQLite files, good ones and bad ones, and writes to them from many tasks at once.

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

#[path = "../support/given.rs"]
mod given;
mod group;

use std::{path::Path, time::Duration};

use database::{Config, Database, Migrations, OpenError};
use service_kit::admin::Readiness;
use sqlx::{AnyConnection, Connection, Executor};

use given::{Ask, COMPATIBLE, FIRST, INCOMPATIBLE, config, count, insert, migrations};

fn file_config(file: &Path) -> Config {
    config("sqlite", &format!("sqlite://{}", file.display()))
}

async fn open(file: &Path) -> Database {
    Database::open(&file_config(file), migrations(&[FIRST])).await.unwrap()
}

async fn refused(file: &Path, migrations: &'static Migrations) -> OpenError {
    let error = Database::open(&file_config(file), migrations).await.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n') && line.contains(file.to_str().unwrap()), "{line}");
    error
}

#[tokio::test]
async fn a_file_is_created_and_keeps_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    // Characters that mean something in a URL, and dots that a URL would resolve.
    let file = directory.path().join("a b%20#1&+.db");
    let database = open(&file).await;
    insert(&database, 1).await.unwrap();
    database.close().await;
    assert!(database.read(Ask("SELECT 1")).await.is_err());
    assert!(insert(&database, 2).await.is_err());
    assert!(file.is_file());
    assert_eq!(count(&open(&file).await).await, 1);
}

#[tokio::test]
async fn every_connection_syncs_each_commit() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    for (pragma, value) in
        [("PRAGMA journal_mode", "wal"), ("PRAGMA synchronous", "2"), ("PRAGMA foreign_keys", "1")]
    {
        assert_eq!(database.read(Ask(pragma)).await.unwrap().as_deref(), Some(value));
        assert_eq!(database.write(Ask(pragma)).await.unwrap().as_deref(), Some(value));
    }
}

#[tokio::test]
async fn what_is_no_usable_file_is_named_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let first = migrations(&[FIRST]);
    let missing = refused(&directory.path().join("missing/x.db"), first).await;
    assert!(matches!(missing, OpenError::Directory { .. }), "{missing}");
    let is_directory = directory.path().join("d");
    std::fs::create_dir(&is_directory).unwrap();
    assert!(matches!(refused(&is_directory, first).await, OpenError::Connect { .. }));
    let text = directory.path().join("text.db");
    std::fs::write(&text, "this is not a database, but a text of some length").unwrap();
    assert!(refused(&text, first).await.to_string().contains("not a database"));
    // A directory in which even root creates no file.
    assert!(matches!(refused(Path::new("/proc/x.db"), first).await, OpenError::Connect { .. }));
}

#[tokio::test]
async fn a_newer_schema_that_shuts_this_program_out_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let second = migrations(&[FIRST, INCOMPATIBLE]);
    Database::open(&file_config(&file), second).await.unwrap().close().await;
    let error = refused(&file, migrations(&[FIRST])).await;
    assert!(matches!(error, OpenError::Newer { version: 2, oldest: 2, newest: 1, .. }), "{error}");
    assert_eq!(count(&Database::open(&file_config(&file), second).await.unwrap()).await, 0);
}

#[tokio::test]
async fn a_newer_schema_that_lets_this_program_in_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let newer = Database::open(&file_config(&file), migrations(&[FIRST, COMPATIBLE])).await.unwrap();
    let older = open(&file).await;
    insert(&older, 1).await.unwrap();
    assert_eq!(count(&newer).await, 1);
}

#[tokio::test]
async fn a_migration_that_was_changed_afterwards_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    open(&file).await.close().await;
    let error = refused(&file, migrations(&["CREATE TABLE another (k BIGINT)"])).await;
    assert!(matches!(error, OpenError::Migrate { .. }), "{error}");
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_of_its_predecessors() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let broken = migrations(&[FIRST, "CREATE TABLE w (k BIGINT)", "CREATE NONSENSE"]);
    assert!(matches!(refused(&file, broken).await, OpenError::Migrate { .. }));
    // Would fail where the first migration had stayed without its record, or the second with it.
    Database::open(&file_config(&file), migrations(&[FIRST, COMPATIBLE])).await.unwrap();
}

#[tokio::test]
async fn all_that_open_a_new_file_at_once_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let (one, other, ..) = tokio::join!(open(&file), open(&file), open(&file), open(&file));
    insert(&one, 1).await.unwrap();
    assert_eq!(count(&other).await, 1);
}

#[tokio::test]
async fn a_file_that_another_process_migrates_for_long_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    sqlx::any::install_default_drivers();
    let mut other = AnyConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
    other.execute("PRAGMA journal_mode = WAL").await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let opening = tokio::spawn(async move { open(&file).await });
    // Longer than a statement waits otherwise.
    tokio::time::sleep(Duration::from_secs(6)).await;
    other.execute("ROLLBACK").await.unwrap();
    insert(&opening.await.unwrap(), 1).await.unwrap();
}

#[tokio::test]
async fn a_watcher_notices_that_the_database_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    let readiness = Readiness::default();
    let mut changes = readiness.subscribe();
    let watcher = database.spawn_health_check(readiness.clone());
    changes.wait_for(|conditions| conditions.get("database") == Some(&true)).await.unwrap();
    database.close().await;
    changes.wait_for(|conditions| conditions.get("database") == Some(&false)).await.unwrap();
    watcher.abort();
}
