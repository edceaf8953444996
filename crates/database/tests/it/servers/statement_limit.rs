//! The server ends a statement that exceeds its limit, also if its client is gone.

use std::time::{Duration, Instant};

use database::{Config, Database};
use test_support::{Failed, Trial, check, server::Kind};

use super::{fresh, on, open};
use crate::fixtures::{FIRST, Select, migrations};

const LIMIT: Duration = Duration::from_secs(2);

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![on(kind, "the_server_ends_a_statement_after_its_limit", ends_a_statement)]
}

/// A statement of 30 s, and one that counts those that run.
fn statements(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::MariaDb => (
            "SELECT SLEEP(30) AS statement_of_30_s",
            "SELECT COUNT(*) FROM information_schema.processlist
             WHERE info LIKE 'SELECT SLEEP%' AND db = DATABASE()",
        ),
        Kind::Postgres => (
            "SELECT CAST(pg_sleep(30) AS TEXT)",
            "SELECT COUNT(*) FROM pg_stat_activity
             WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' AND pid <> pg_backend_pid()
                 AND datname = current_database()",
        ),
    }
}

async fn running(database: &Database, count: &'static str) -> i64 {
    database.read(Select(count)).await.unwrap().unwrap().parse().unwrap()
}

/// Waits until this number of statements run.
async fn await_running(database: &Database, count: &'static str, expected: i64) -> Result<(), Failed> {
    let started = Instant::now();
    while running(database, count).await != expected {
        check(started.elapsed() < Duration::from_secs(10), || format!("not {expected} statements run"))?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn ends_a_statement(kind: Kind) -> Result<(), Failed> {
    let (_server, _, config) = fresh(kind).await?;
    let observer = open(&config).await;
    let limited = Config { statement_max: Some(LIMIT), ..config };
    let database = Database::open_existing(&limited, migrations(&[FIRST])).await?;
    let (sleep, count) = statements(kind);

    let started = Instant::now();
    let error = database.read(Select(sleep)).await.unwrap_err();
    check(error.as_database_error().is_some(), || format!("not the server's error: {error}"))?;
    check(started.elapsed() < LIMIT * 5, || format!("ended after {:?}", started.elapsed()))?;

    let task = tokio::spawn({
        let database = database.clone();
        async move { database.read(Select(sleep)).await }
    });
    await_running(&observer, count, 1).await?;
    task.abort();
    await_running(&observer, count, 0).await
}
