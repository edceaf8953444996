//! The client disconnects at each step. The order is processed to the end, and a retry finds it.

use std::time::Instant;

use system_tests::client::History;
use test_support::{Failed, Trial, check};
use tokio::time::sleep;

use super::{Expected, POLL_INTERVAL, WAIT_MAX, expect, finish, is_passed, run_all, wait_for_status};
use crate::{
    cluster::{Cluster, ClusterConfig},
    db_snapshot::DatabaseKind,
};

/// Whose fault injection delays the order for a second, and at which point.
#[derive(Debug, Clone, Copy)]
enum Step {
    Order(&'static str),
    Payment(&'static str),
}

const STEPS: &[Step] = &[
    Step::Order("orders.insert.before"),
    Step::Order("commit.before"),
    Step::Order("orders.insert.after"),
    Step::Order("payments.charge.before"),
    Step::Payment("ledger.charge.before"),
    Step::Payment("commit.before"),
    Step::Payment("ledger.charge.after"),
    Step::Order("payments.charge.after"),
    Step::Order("orders.settle.before"),
    Step::Order("orders.settle.after"),
];

pub(super) fn trial(database: DatabaseKind) -> Trial {
    let name = format!("{}::crashes::client_disconnect", database.name());
    crate::shared(&name, &database.needs(), move || run_all(STEPS, move |step| disconnect(database, step)))
}

async fn disconnect(database: DatabaseKind, step: Step) -> Result<(), Failed> {
    let config = ClusterConfig::new(database);
    let (config, point) = match step {
        Step::Order(point) => (config.order_faults(format!("{point}=delay:1000@1")), point),
        Step::Payment(point) => (config.payment_faults(format!("{point}=delay:1000@1")), point),
    };
    let mut cluster = Cluster::start(config).await?;
    let mut history = History::new(1, "key", super::MINOR);
    let client = cluster.client.clone();
    // A busy machine may reject a request before it reaches the point.
    let deadline = Instant::now() + WAIT_MAX;
    while !is_passed(&mut cluster, point) {
        check(Instant::now() < deadline, || format!("{point} was not passed"))?;
        client.disconnect_when(passes(&mut cluster, point), &mut history).await;
    }
    wait_for_status(&cluster, Some("PAID")).await?;
    expect(&cluster, &mut history, Expected::Replayed).await?;
    finish(cluster, &[history]).await
}

async fn passes(cluster: &mut Cluster, point: &str) {
    while !is_passed(cluster, point) {
        sleep(POLL_INTERVAL).await;
    }
}
