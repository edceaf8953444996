//! Opening and migrating SQLite files.

use std::{path::Path, time::Duration};
use test_support::{Trial, tests};

use database::{Config, Database, Migrations, OpenError};
use service_kit::admin::Readiness;
use sqlx::{AnyConnection, Connection, Executor};

use crate::fixtures::{
    COMPATIBLE, FIRST, INCOMPATIBLE, Select, TABLES, config, count, insert, migrations, migrations_of,
};

pub(crate) fn trials() -> Vec<Trial> {
    tests![
        a_file_is_created_and_keeps_its_rows,
        every_connection_has_durable_settings,
        an_unusable_file_is_named_in_one_line,
        an_incompatible_newer_schema_is_rejected_and_unchanged,
        a_compatible_newer_schema_is_accepted,
        a_changed_migration_is_rejected,
        a_file_of_another_program_is_rejected_and_unchanged,
        a_missing_or_older_file_is_not_changed_by_a_command_that_looks,
        a_failed_migration_rolls_back_its_predecessors,
        concurrent_opens_of_a_new_file_succeed,
        opening_waits_for_another_process_that_migrates,
        the_health_check_reports_a_closed_database,
    ]
    .into()
}

fn file_config(file: &Path) -> Config {
    config("sqlite", &format!("sqlite://{}", file.display()))
}

pub(crate) async fn open(file: &Path) -> Database {
    Database::open(&file_config(file), migrations(&[FIRST])).await.unwrap()
}

async fn rejected(file: &Path, migrations: &'static Migrations) -> OpenError {
    let error = Database::open(&file_config(file), migrations).await.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n') && line.contains(file.to_str().unwrap()), "{line}");
    error
}

async fn a_file_is_created_and_keeps_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    // Characters with a meaning in URLs.
    let file = directory.path().join("a b%20#1&+.db");
    let database = open(&file).await;
    insert(&database, 1).await.unwrap();
    database.close().await;
    assert!(database.read(Select("SELECT 1")).await.is_err());
    assert!(insert(&database, 2).await.is_err());
    assert!(file.is_file());
    assert_eq!(count(&open(&file).await).await, 1);
}

async fn every_connection_has_durable_settings() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("x.db")).await;
    for (pragma, value) in
        [("PRAGMA journal_mode", "wal"), ("PRAGMA synchronous", "2"), ("PRAGMA foreign_keys", "1")]
    {
        assert_eq!(database.read(Select(pragma)).await.unwrap().as_deref(), Some(value));
        assert_eq!(database.write(Select(pragma)).await.unwrap().as_deref(), Some(value));
    }
}

async fn an_unusable_file_is_named_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let first = migrations(&[FIRST]);
    let missing = rejected(&directory.path().join("missing/x.db"), first).await;
    assert!(matches!(missing, OpenError::Directory { .. }), "{missing}");
    let is_directory = directory.path().join("d");
    std::fs::create_dir(&is_directory).unwrap();
    assert!(matches!(rejected(&is_directory, first).await, OpenError::Connect { .. }));
    let text = directory.path().join("text.db");
    std::fs::write(&text, "this is not a database, but a text of some length").unwrap();
    assert!(rejected(&text, first).await.to_string().contains("not a database"));
    // A directory in which not even root can create a file.
    assert!(matches!(rejected(Path::new("/proc/x.db"), first).await, OpenError::Connect { .. }));
}

async fn an_incompatible_newer_schema_is_rejected_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let second = migrations(&[FIRST, INCOMPATIBLE]);
    Database::open(&file_config(&file), second).await.unwrap().close().await;
    let error = rejected(&file, migrations(&[FIRST])).await;
    assert!(matches!(error, OpenError::Newer { version: 2, oldest: 2, newest: 1, .. }), "{error}");
    assert_eq!(count(&Database::open(&file_config(&file), second).await.unwrap()).await, 0);
}

async fn a_compatible_newer_schema_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let newer = Database::open(&file_config(&file), migrations(&[FIRST, COMPATIBLE])).await.unwrap();
    let older = open(&file).await;
    insert(&older, 1).await.unwrap();
    assert_eq!(count(&newer).await, 1);
}

async fn a_changed_migration_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    open(&file).await.close().await;
    let error = rejected(&file, migrations(&["CREATE TABLE another (k BIGINT)"])).await;
    assert!(matches!(error, OpenError::ChangedMigration { version: 1, .. }), "{error}");
}

async fn a_failed_migration_rolls_back_its_predecessors() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let broken = migrations(&[FIRST, "CREATE TABLE w (k BIGINT)", "CREATE NONSENSE"]);
    assert!(matches!(rejected(&file, broken).await, OpenError::Migrate { .. }));
    // Fails if a migration was applied without its record, or recorded without being applied.
    Database::open(&file_config(&file), migrations(&[FIRST, COMPATIBLE])).await.unwrap();
}

async fn concurrent_opens_of_a_new_file_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let (one, other, ..) = tokio::join!(open(&file), open(&file), open(&file), open(&file));
    insert(&one, 1).await.unwrap();
    assert_eq!(count(&other).await, 1);
}

async fn opening_waits_for_another_process_that_migrates() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    sqlx::any::install_default_drivers();
    let mut other = AnyConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
    other.execute("PRAGMA journal_mode = WAL").await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let opening = tokio::spawn(async move { open(&file).await });
    // Longer than the busy timeout.
    tokio::time::sleep(Duration::from_secs(6)).await;
    other.execute("ROLLBACK").await.unwrap();
    insert(&opening.await.unwrap(), 1).await.unwrap();
}

async fn the_health_check_reports_a_closed_database() {
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

async fn a_file_of_another_program_is_rejected_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    sqlx::any::install_default_drivers();
    let mut other = AnyConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
    // Names of tables ignore case.
    other.execute("CREATE TABLE T (id INTEGER PRIMARY KEY); INSERT INTO T VALUES (1)").await.unwrap();
    other.close().await.unwrap();
    let before = std::fs::read(&file).unwrap();
    let schema = migrations_of(&[FIRST], TABLES);
    for _ in 0..2 {
        let error = rejected(&file, schema).await;
        assert!(matches!(error, OpenError::ForeignTable { table: "t", .. }), "{error}");
        assert!(Database::open_existing(&file_config(&file), schema).await.is_err());
    }
    assert!(before == std::fs::read(&file).unwrap());
    // The migrations of another service.
    let file = directory.path().join("y.db");
    Database::open(&file_config(&file), schema).await.unwrap().close().await;
    other = AnyConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    other.execute("UPDATE _sqlx_migrations SET description = 'another test'").await.unwrap();
    other.close().await.unwrap();
    let error = rejected(&file, schema).await;
    assert!(error.to_string().starts_with("these are Another's tables: migration 1 of "), "{error}");
}

async fn a_missing_or_older_file_is_not_changed_by_a_command_that_looks() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let look = async |scripts: &[&'static str]| {
        Database::open_existing(&file_config(&file), migrations(scripts)).await.map(drop)
    };
    assert!(matches!(look(&[FIRST]).await, Err(OpenError::MissingFile { .. })));
    assert!(!file.exists());
    open(&file).await.close().await;
    look(&[FIRST]).await.unwrap();
    let error = look(&[FIRST, COMPATIBLE]).await.unwrap_err();
    assert!(matches!(error, OpenError::Behind { .. }), "{error}");
    look(&[FIRST]).await.unwrap();
}
