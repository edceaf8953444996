//! Servers that are down at start, killed or frozen and come back; transactions that panic.

use std::time::{Duration, Instant};

use database::{Database, OpenError, WriteError};
use service_kit::admin::Readiness;
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
};

use super::{config, driver, fresh, on, open};
use crate::fixtures::{FIRST, Insert, Panics, Select, at_once, count, insert, migrations};

/// Time limit for a write after the server is back.
const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Time limit for any result: the wait for the pool, a new connection and a transaction, twice.
const RESULT_MAX: Duration = Duration::from_secs(30);

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![
        on(kind, "opening_waits_for_a_server_that_is_down", waited_for),
        on(kind, "a_busy_pool_is_not_an_outage", busy_pool),
        on(kind, "writes_recover_after_a_kill_of_the_server", killed),
        on(kind, "a_frozen_server_fails_every_write_in_time", hung),
        on(kind, "a_panic_writes_nothing_and_loses_no_connection", panicked),
    ]
}

/// A query that takes longer than the health check's time limit.
fn busy(kind: Kind) -> Select {
    Select(match kind {
        Kind::MariaDb => "SELECT CAST(SLEEP(3) AS SIGNED)",
        Kind::Postgres => "SELECT CAST(1 AS BIGINT) FROM pg_sleep(3)",
    })
}

async fn busy_pool(kind: Kind) -> Result<(), Failed> {
    let (_server, _, mut config) = fresh(kind).await?;
    config.connections_max = 1;
    let database = Database::open(&config, migrations(&[FIRST])).await?;
    let readiness = Readiness::default();
    let mut conditions = readiness.subscribe();
    database.spawn_health_check(readiness);
    conditions.wait_for(|conditions| conditions.get("database") == Some(&true)).await?;
    let unavailable = conditions.wait_for(|conditions| conditions.get("database") == Some(&false));
    tokio::select! {
        read = database.read(busy(kind)) => drop(read?),
        _ = unavailable => return Err("reported as unavailable while its only connection was in use".into()),
    }
    Ok(())
}

async fn own(kind: Kind) -> Result<(Server, database::Config), Failed> {
    let server = Server::start(kind).await?;
    server.create_database("orders").await?;
    let config = config(driver(kind), &server.url("orders"));
    Ok((server, config))
}

async fn waited_for(kind: Kind) -> Result<(), Failed> {
    let (server, mut config) = own(kind).await?;
    server.kill()?;
    config.wait = Duration::ZERO;
    let refused = Database::open(&config, migrations(&[FIRST])).await;
    check(matches!(refused, Err(OpenError::Connect { .. })), || format!("{refused:?}"))?;
    config.wait = RESULT_MAX;
    let (opened, restarted) = tokio::join!(Database::open(&config, migrations(&[FIRST])), server.restart());
    restarted?;
    insert(&opened?, 1).await?;
    Ok(())
}

async fn killed(kind: Kind) -> Result<(), Failed> {
    let (server, config) = own(kind).await?;
    let database = open(&config).await;
    let readiness = Readiness::default();
    let mut changes = readiness.subscribe();
    let health_check = database.spawn_health_check(readiness);
    let first = at_once(&database, (0..64).map(Insert::of).collect()).await;
    check(first.iter().all(Result::is_ok), || format!("{first:?}"))?;
    server.kill()?;
    changes.wait_for(|conditions| conditions.get("database") == Some(&false)).await?;
    let error = insert(&database, 100).await.unwrap_err();
    check(matches!(error, WriteError::NotStarted(_)), || format!("{error:?}"))?;
    server.restart().await?;
    let back = Instant::now();
    insert(&database, 101).await?;
    changes.wait_for(|conditions| conditions.get("database") == Some(&true)).await?;
    check(back.elapsed() < RECOVERY_MAX, || format!("{:?}", back.elapsed()))?;
    health_check.abort();
    check(count(&database).await == 65, || "an acknowledged row is missing".to_owned())
}

async fn hung(kind: Kind) -> Result<(), Failed> {
    let (server, config) = own(kind).await?;
    let database = open(&config).await;
    at_once(&database, (0..64).map(Insert::of).collect()).await;
    server.freeze()?;
    let started = Instant::now();
    let results = at_once(&database, (100..164).map(Insert::of).collect()).await;
    let waited = started.elapsed();
    server.thaw()?;
    check(results.iter().all(Result::is_err) && waited < RESULT_MAX, || format!("{waited:?} {results:?}"))?;
    insert(&database, 200).await?;
    // NotStarted guarantees that nothing was written; the others are in doubt.
    let started = results.iter().filter(|result| !matches!(result, Err(WriteError::NotStarted(_)))).count();
    let rows = count(&database).await - 65;
    check(usize::try_from(rows).is_ok_and(|rows| rows <= started), || format!("{rows} rows of {started}"))
}

async fn panicked(kind: Kind) -> Result<(), Failed> {
    let (_, _, mut config) = super::fresh(kind).await?;
    config.connections_max = 2;
    let database = open(&config).await;
    for panicking in [Panics::Written, Panics::NotBegun, Panics::Alone].into_iter().cycle().take(12) {
        let (writing, reading) = (database.clone(), database.clone());
        let written = tokio::spawn(async move { writing.write(panicking).await });
        let read = tokio::spawn(async move { reading.read(Panics::Alone).await });
        let both = [written.await.map(drop), read.await.map(drop)];
        let all = both.iter().all(|result| result.as_ref().is_err_and(tokio::task::JoinError::is_panic));
        check(all, || format!("{panicking:?}: {both:?}"))?;
    }
    let results = at_once(&database, (0..64).map(Insert::of).collect()).await;
    check(results.iter().all(Result::is_ok), || format!("{results:?}"))?;
    check(count(&database).await == 64, || "a panicking transaction has written a row".to_owned())
}
