//! SQLite files that are removed or replaced while the database is open.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use database::WriteError;
use service_kit::admin::Readiness;
use sqlx::{AnyConnection, Connection};
use test_support::{Trial, tests};

use crate::{
    fixtures::{count, insert},
    sqlite::open,
};

/// How soon the health check must notice.
const NOTICED_MAX: Duration = Duration::from_secs(2);

pub(crate) fn trials() -> Vec<Trial> {
    tests![
        a_removed_or_replaced_file_takes_no_writes,
        a_file_that_returns_to_its_path_takes_writes_again,
        a_removed_log_loses_no_committed_row,
        closing_keeps_the_log_of_a_file_that_replaced_the_open_one,
        other_processes_may_open_and_close_the_file,
    ]
    .into()
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn rename_over(path: &Path) {
    let other = path.with_extension("other");
    fs::copy(path, &other).unwrap();
    fs::rename(other, path).unwrap();
}

async fn a_removed_or_replaced_file_takes_no_writes() {
    for suffix in ["", "-wal", "-shm"] {
        for (how, change) in [
            ("removed", (|path| fs::remove_file(path).unwrap()) as fn(&Path)),
            ("replaced", rename_over),
            ("moved", |path| fs::rename(path, path.with_extension("moved")).unwrap()),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("x.db");
            let database = open(&file).await;
            insert(&database, 1).await.unwrap();
            let readiness = Readiness::default();
            let mut changes = readiness.subscribe();
            let health_check = database.spawn_health_check(readiness.clone());
            changes.wait_for(|conditions| conditions.get("database") == Some(&true)).await.unwrap();
            change(&beside(&file, suffix));
            let error = insert(&database, 2).await.unwrap_err();
            assert!(matches!(error, WriteError::NotStarted(_)), "{suffix} {how}: {error:?}");
            assert!(error.to_string().contains("was removed or replaced"), "{error}");
            let noticed = changes.wait_for(|conditions| conditions.get("database") == Some(&false));
            tokio::time::timeout(NOTICED_MAX, noticed).await.expect(how).unwrap();
            assert_eq!(readiness.unmet_with_reasons(), ["database (a file was removed or replaced)"]);
            health_check.abort();
        }
    }
}

async fn a_file_that_returns_to_its_path_takes_writes_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let database = open(&file).await;
    insert(&database, 1).await.unwrap();
    let moved = directory.path().join("moved.db");
    fs::rename(&file, &moved).unwrap();
    assert!(insert(&database, 2).await.is_err());
    fs::rename(&moved, &file).unwrap();
    insert(&database, 3).await.unwrap();
    database.close().await;
    assert_eq!(count(&open(&file).await).await, 2);
}

async fn a_removed_log_loses_no_committed_row() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let database = open(&file).await;
    for key in 1..=20 {
        insert(&database, key).await.unwrap();
    }
    fs::remove_file(beside(&file, "-wal")).unwrap();
    assert!(insert(&database, 100).await.is_err());
    // SQLite copies the log that it has open into the file.
    database.close().await;
    assert_eq!(count(&open(&file).await).await, 20);
}

async fn closing_keeps_the_log_of_a_file_that_replaced_the_open_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let database = open(&file).await;
    insert(&database, 1).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&file, suffix)).unwrap();
    }
    let restored = open(&file).await;
    for key in 1..=20 {
        insert(&restored, key).await.unwrap();
    }
    database.close().await;
    insert(&restored, 21).await.unwrap();
    assert_eq!(count(&restored).await, 21);
    restored.close().await;
    assert_eq!(count(&open(&file).await).await, 21);
}

async fn other_processes_may_open_and_close_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.db");
    let database = open(&file).await;
    for key in 1..=5 {
        // As an operator's shell or a backup, which checkpoints the log.
        let mut other = AnyConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        insert(&database, key).await.unwrap();
    }
    assert_eq!(count(&database).await, 5);
}
