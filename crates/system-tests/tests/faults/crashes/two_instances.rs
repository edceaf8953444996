//! Two instances of each service and one order: the first Order fails while a request with the same key
//! reaches the second.

use std::time::Instant;

use system_tests::client::History;
use test_support::{Failed, Trial, check};
use tokio::time::sleep;

use super::{POLL_INTERVAL, WAIT_MAX, finish, is_not_started, restart_order, run_all, wait_for_status};
use crate::{
    cluster::{Cluster, ClusterConfig},
    db_snapshot::DatabaseKind,
};

/// How the first Order fails.
const RULES: &[&str] = &[
    "orders.insert.after=kill@1",
    "orders.insert.after=delay:3000@1",
    "payments.charge.before=kill@1",
    "payments.charge.before=error@1",
    "payments.charge.before=delay:3000@1",
    "payments.charge.before=refuse@1",
    "payments.charge.after=kill@1",
    "payments.charge.after=delay:3000@1",
    "orders.settle.before=delay:3000@1",
    "orders.settle.after=kill@1",
];

/// `None` for SQLite, whose file one instance alone may use.
pub(super) fn trial(database: DatabaseKind) -> Option<Trial> {
    let name = format!("{}::crashes::two_instances", database.name());
    (database != DatabaseKind::Sqlite).then(|| {
        crate::shared(&name, &database.needs(), move || run_all(RULES, move |rules| place(database, rules)))
    })
}

async fn place(database: DatabaseKind, rules: &'static str) -> Result<(), Failed> {
    let mut cluster = Cluster::start(ClusterConfig::new(database).instances(2)).await?;
    restart_order(&mut cluster, 0, rules).await?;
    let mut first = History::new(1, "key", super::MINOR);
    let mut second = first.clone();
    let (client, until) = (cluster.client.clone(), Instant::now() + WAIT_MAX);
    let ((), saved) = tokio::join!(
        async {
            // A busy machine may reject the request before it has an effect.
            while client.attempt_at(0, &mut first).await.as_ref().is_some_and(is_not_started)
                && Instant::now() < until
            {
                sleep(POLL_INTERVAL).await;
            }
        },
        async {
            wait_until_saved(&cluster).await?;
            client.attempt_at(1, &mut second).await;
            Ok::<_, Failed>(())
        }
    );
    saved?;
    if rules.contains("kill") {
        cluster.orders[0].wait_until_killed().await?;
    }
    // The second client gets its outcome whether or not the first Order runs.
    let until = Instant::now() + WAIT_MAX;
    check(client.retry_until_final(&mut second, until).await, || format!("no final response: {second:?}"))?;
    cluster.restart_stopped().await?;
    let until = Instant::now() + WAIT_MAX;
    check(client.retry_until_final(&mut first, until).await, || format!("no final response: {first:?}"))?;
    wait_for_status(&cluster, Some("PAID")).await?;
    finish(cluster, &[first, second]).await
}

async fn wait_until_saved(cluster: &Cluster) -> Result<(), Failed> {
    let deadline = Instant::now() + WAIT_MAX;
    while cluster.databases.orders().await?.is_empty() {
        check(Instant::now() < deadline, || "no order was saved".to_owned())?;
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}
