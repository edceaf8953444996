//! A server that is down at start, dies, or hangs, and comes back; and work that dies on it.

use std::time::{Duration, Instant};

use database::{Database, OpenError, WriteError};
use service_kit::admin::Readiness;
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
};

use super::{
    config, driver, fresh,
    given::{Ask, FIRST, Insert, Panics, at_once, count, insert, migrations},
    on, open,
};

/// How soon work must be possible again once the server is.
const BACK_MAX: Duration = Duration::from_secs(5);
/// How long anybody may be left without an answer: a turn, a new connection and an answer, twice.
const ANSWERED_MAX: Duration = Duration::from_secs(30);

pub(super) fn trials(kind: Kind) -> Vec<Trial> {
    vec![
        on(kind, "a_server_that_is_down_at_start_is_waited_for", waited_for),
        on(kind, "a_database_whose_connections_are_all_in_use_is_not_gone", busy_is_not_gone),
        on(kind, "work_goes_on_after_the_server_was_killed", killed),
        on(kind, "a_server_that_hangs_leaves_nobody_without_an_answer", hung),
        on(kind, "work_that_panics_writes_nothing_and_costs_no_connection", panicked),
    ]
}

/// Longer than the watch waits for an answer.
fn busy(kind: Kind) -> Ask {
    Ask(match kind {
        Kind::MariaDb => "SELECT CAST(SLEEP(3) AS SIGNED)",
        Kind::Postgres => "SELECT CAST(1 AS BIGINT) FROM pg_sleep(3)",
    })
}

async fn busy_is_not_gone(kind: Kind) -> Result<(), Failed> {
    let (_server, _, mut config) = fresh(kind).await?;
    config.connections_max = 1;
    let database = Database::open(&config, migrations(&[FIRST])).await?;
    let readiness = Readiness::default();
    let mut conditions = readiness.subscribe();
    database.spawn_health_check(readiness);
    conditions.wait_for(|conditions| conditions.get("database") == Some(&true)).await?;
    let gone = conditions.wait_for(|conditions| conditions.get("database") == Some(&false));
    tokio::select! {
        asked = database.read(busy(kind)) => drop(asked?),
        _ = gone => return Err("a database whose only connection was in use was called gone".into()),
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
    config.wait = ANSWERED_MAX;
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
    let watcher = database.spawn_health_check(readiness);
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
    check(back.elapsed() < BACK_MAX, || format!("{:?}", back.elapsed()))?;
    watcher.abort();
    check(count(&database).await == 65, || "what was answered is gone".to_owned())
}

async fn hung(kind: Kind) -> Result<(), Failed> {
    let (server, config) = own(kind).await?;
    let database = open(&config).await;
    at_once(&database, (0..64).map(Insert::of).collect()).await;
    server.freeze()?;
    let asked = Instant::now();
    let answers = at_once(&database, (100..164).map(Insert::of).collect()).await;
    let waited = asked.elapsed();
    server.thaw()?;
    check(answers.iter().all(Result::is_err) && waited < ANSWERED_MAX, || format!("{waited:?} {answers:?}"))?;
    insert(&database, 200).await?;
    // What was never begun is not there, whatever became of the rest.
    let begun = answers.iter().filter(|answer| !matches!(answer, Err(WriteError::NotStarted(_)))).count();
    let there = count(&database).await - 65;
    check(usize::try_from(there).is_ok_and(|there| there <= begun), || format!("{there} of {begun}"))
}

async fn panicked(kind: Kind) -> Result<(), Failed> {
    let (_, _, mut config) = super::fresh(kind).await?;
    config.connections_max = 2;
    let database = open(&config).await;
    for works in [Panics::Written, Panics::NotBegun, Panics::Alone].into_iter().cycle().take(12) {
        let (writing, reading) = (database.clone(), database.clone());
        let written = tokio::spawn(async move { writing.write(works).await });
        let read = tokio::spawn(async move { reading.read(Panics::Alone).await });
        let both = [written.await.map(drop), read.await.map(drop)];
        let all = both.iter().all(|ended| ended.as_ref().is_err_and(tokio::task::JoinError::is_panic));
        check(all, || format!("{works:?}: {both:?}"))?;
    }
    let answers = at_once(&database, (0..64).map(Insert::of).collect()).await;
    check(answers.iter().all(Result::is_ok), || format!("{answers:?}"))?;
    check(count(&database).await == 64, || "a row of work that panicked".to_owned())
}
