//! Order and Payment restart one after the other while clients place orders. A client that retries once, with
//! its key and at the other gateway, sees no error.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use system_tests::client::{Client, History};
use test_support::{Failed, Trial, check, server::Kind};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{Cluster, ClusterConfig},
    db_snapshot::DatabaseKind,
    invariants::check_invariants,
};

/// The least number of orders: an unoptimised build is ten times slower.
const ORDERS: usize = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
/// The least number of restarts: two of each of the four services.
const RESTARTS: usize = 8;
/// How long a service is ready before the next one stops: longer than the delay of a retry (1 s).
const READY_MIN: Duration = Duration::from_secs(2);
const CONCURRENCY: usize = 24;
/// How long the retries after one restart may take.
const RETRIES_MAX: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Where the response has no `Retry-After`.
const RETRY_DELAY: Duration = Duration::from_millis(100);

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let name = format!("{}::rolling_restart::one_retry_hides_every_restart", kind.name());
    vec![crate::shared(&name, &[kind.need()], move || restart_under_load(kind))]
}

async fn restart_under_load(kind: Kind) -> Result<(), Failed> {
    let config = ClusterConfig::new(DatabaseKind::Server(kind));
    let mut cluster = Cluster::start(config.instances(2).balanced().request_timeout(REQUEST_TIMEOUT)).await?;
    let started = Instant::now();
    let (progress, stop) = (Arc::new(Progress::default()), CancellationToken::new());
    let mut placing = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (client, progress, stop) = (cluster.client.clone(), progress.clone(), stop.clone());
        placing.spawn(async move { place_orders(&client, &progress, &stop).await });
    }
    let mut restarts = 0;
    while restarts < RESTARTS || progress.placed.load(Ordering::Relaxed) < ORDERS {
        restart_next(&mut cluster, restarts).await?;
        restarts += 1;
        sleep(READY_MIN).await;
        progress.wait_until_nothing_is_retried().await?;
    }
    stop.cancel();
    let histories: Vec<History> = placing.join_all().await.into_iter().flatten().collect();
    let elapsed = started.elapsed();
    let attempts = |more: usize| histories.iter().filter(|history| history.attempts.len() > more).count();
    crate::print_figure(&format!(
        "{}: {} orders in {elapsed:?}, {restarts} restarts; {} retried, {} more than once",
        kind.name(),
        histories.len(),
        attempts(1),
        attempts(2),
    ));
    let snapshot = cluster.databases.snapshot().await?;
    check_invariants(&histories, &snapshot)?;
    check(snapshot.orders.len() == histories.len(), || {
        format!("{} orders are saved", snapshot.orders.len())
    })?;
    let failed = histories.iter().find(|history| history.attempts.len() > 2 || !history.has_final_response());
    check(failed.is_none(), || format!("an error after one retry: {failed:?}"))?;
    cluster.finish();
    Ok(())
}

/// What all clients together have placed and are retrying.
#[derive(Default)]
struct Progress {
    placed: AtomicUsize,
    retried: AtomicUsize,
}

impl Progress {
    /// The next restart would otherwise be a second fault for an order whose first attempt has failed: on a
    /// slow machine a retry takes longer than a service was ready.
    async fn wait_until_nothing_is_retried(&self) -> Result<(), Failed> {
        let waited = timeout(RETRIES_MAX, async {
            while self.retried.load(Ordering::Relaxed) > 0 {
                sleep(POLL_INTERVAL).await;
            }
        });
        waited.await.map_err(|_| format!("orders are still retried after {RETRIES_MAX:?}").into())
    }
}

async fn place_orders(client: &Client, progress: &Progress, stop: &CancellationToken) -> Vec<History> {
    let mut histories = Vec::new();
    while !stop.is_cancelled() {
        let number = progress.placed.fetch_add(1, Ordering::Relaxed);
        let user = i64::try_from(number % 1000 + 1).expect("a small number");
        let mut history = History::new(user, format!("order-{number}"), 12);
        // The test fails after more than two attempts; the others show how it ends.
        for attempt in 0..10 {
            let response = client.attempt_at(number + attempt, &mut history).await;
            if history.has_final_response() {
                break;
            }
            if attempt == 0 {
                progress.retried.fetch_add(1, Ordering::Relaxed);
            }
            let retry_after = response.and_then(|response| response.retry_after).map(Duration::from_secs);
            sleep(retry_after.unwrap_or(RETRY_DELAY)).await;
        }
        if history.attempts.len() > 1 {
            progress.retried.fetch_sub(1, Ordering::Relaxed);
        }
        histories.push(history);
    }
    histories
}

/// Stops the next service by SIGTERM, and starts it again.
async fn restart_next(cluster: &mut Cluster, turn: usize) -> Result<(), Failed> {
    let instance = turn / 2 % cluster.orders.len();
    let service =
        if turn.is_multiple_of(2) { &mut cluster.payments[instance] } else { &mut cluster.orders[instance] };
    service.terminate().await?;
    service.start(&[]).await
}
