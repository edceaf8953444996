//! A thousand orders that their request left PENDING are settled soon after Order and Payment restart.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use system_tests::client::{Client, History};
use test_support::{Failed, Trial, check, trial};
use tokio::task::JoinSet;

use crate::{
    cluster::{Cluster, ClusterConfig},
    db_snapshot::DatabaseKind,
    invariants::check_invariants,
};

const ORPHANS: usize = 1000;
const CONCURRENCY: usize = 32;
/// No call of Order reaches Payment, and Order does not learn that.
const CALL_LOST: &str = "payments.charge.before=error";
/// The p99 time from the restart to the settlement of an orphan. An unoptimised build on a busy machine must
/// only finish.
const P99_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 45 } else { 5 });
const ALL_MAX: Duration = Duration::from_secs(60);
/// On a server, every poll opens a connection.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const RETRY_DELAY: Duration = Duration::from_millis(300);

pub(crate) fn trials(database: DatabaseKind) -> Vec<Trial> {
    let name = format!("{}::orphans::a_thousand_settle_after_a_restart", database.name());
    vec![trial(&name, &database.needs(), move || settle(database))]
}

async fn settle(database: DatabaseKind) -> Result<(), Failed> {
    // No other trial may slow down what is measured here.
    let _alone = crate::MACHINE_LOCK.write().await;
    let mut cluster = Cluster::start(ClusterConfig::new(database).order_faults(CALL_LOST)).await?;
    let histories = create_orphans(&mut cluster).await?;

    let (payment, order) = (&mut cluster.payments[0], &mut cluster.orders[0]);
    let (payment, order) = tokio::join!(payment.start(&[]), order.start(&[]));
    payment.and(order)?;
    let restarted = Instant::now();
    let mut p99 = None;
    loop {
        let pending = usize::try_from(cluster.databases.pending().await?)?;
        if pending <= ORPHANS / 100 && p99.is_none() {
            p99 = Some(restarted.elapsed());
        }
        if pending == 0 {
            break;
        }
        check(restarted.elapsed() < ALL_MAX, || format!("{pending} orphans are left"))?;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let (p99, all) = (p99.unwrap_or_default(), restarted.elapsed());
    crate::print_figure(&format!("{}: {ORPHANS} orphans settled: p99 {p99:?}, all {all:?}", database.name()));
    check_invariants(&histories, &cluster.databases.snapshot().await?)?;
    check(p99 <= P99_MAX, || format!("p99 of {ORPHANS} orphans: {p99:?}"))?;
    cluster.finish();
    Ok(())
}

/// Places orders whose charge has an unknown outcome, then kills Order and Payment.
async fn create_orphans(cluster: &mut Cluster) -> Result<Vec<History>, Failed> {
    let mut placing = JoinSet::new();
    for first in 0..CONCURRENCY {
        let client = cluster.client.clone();
        placing.spawn(async move {
            let mut histories = Vec::new();
            for number in (first..ORPHANS).step_by(CONCURRENCY) {
                histories.push(place(&client, number).await);
            }
            histories
        });
    }
    let mut histories: Vec<History> = placing.join_all().await.into_iter().flatten().collect();
    wait_until_saved(cluster, &mut histories).await?;
    let pending = cluster.databases.pending().await?;
    check(pending == i64::try_from(ORPHANS)?, || format!("{pending} orders are PENDING"))?;
    cluster.orders[0].kill().await?;
    cluster.payments[0].kill().await?;
    Ok(histories)
}

/// Retries every order without a row: a 504 may precede the commit of its order, and that commit may fail.
async fn wait_until_saved(cluster: &Cluster, histories: &mut [History]) -> Result<(), Failed> {
    let deadline = Instant::now() + ALL_MAX;
    loop {
        let rows = cluster.databases.orders().await?;
        let saved: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let mut unsaved =
            histories.iter_mut().filter(|history| !saved.contains(history.request.key.as_str())).peekable();
        if unsaved.peek().is_none() {
            return Ok(());
        }
        check(Instant::now() < deadline, || format!("{} of {ORPHANS} orders are saved", saved.len()))?;
        for history in unsaved {
            cluster.client.attempt(history).await;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Retries until a response has the order's id.
async fn place(client: &Client, number: usize) -> History {
    let user = i64::try_from(number % 100 + 1).expect("a small number");
    let mut history = History::new(user, format!("orphan-{number}"), 12);
    let deadline = Instant::now() + ALL_MAX;
    while Instant::now() < deadline {
        let response = client.attempt(&mut history).await;
        if response.is_some_and(|response| response.order.is_some()) {
            break;
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
    history
}
