//! Order voids an order that was PENDING for too long, and the Void fails; the charge arrives after the Void.

use std::time::{Duration, Instant};

use system_tests::client::History;
use test_support::{Failed, Trial, check};
use tokio::time::sleep;

use super::{
    Expected, POLL_INTERVAL, WAIT_MAX, expect, expect_first, finish, late_duplicate::charge, run_all,
    wait_for_status,
};
use crate::{
    cluster::{Cluster, ClusterConfig, fault_vars},
    db_snapshot::{DatabaseKind, ServiceName},
};

/// Longer than the 15 minutes after which Order voids a PENDING order.
const PENDING_SINCE: Duration = Duration::from_secs(16 * 60);

/// A failure of the Void.
#[derive(Debug, Clone, Copy)]
struct Case {
    order: &'static str,
    payment: &'static str,
    killed: Option<ServiceName>,
}

const fn order(rules: &'static str, killed: Option<ServiceName>) -> Case {
    Case { order: rules, payment: "", killed }
}

const fn payment(rules: &'static str, killed: Option<ServiceName>) -> Case {
    Case { order: "", payment: rules, killed }
}

const CASES: &[Case] = &[
    order("payments.void.before=kill@1", Some(ServiceName::Order)),
    order("payments.void.before=error@1", None),
    order("payments.void.after=kill@1", Some(ServiceName::Order)),
    order("payments.void.after=error@1", None),
    order("payments.void.after=delay:1500@1", None),
    order("orders.settle.before=kill@1", Some(ServiceName::Order)),
    order("orders.settle.after=kill@1", Some(ServiceName::Order)),
    payment("ledger.void.before=kill@1", Some(ServiceName::Payment)),
    payment("ledger.void.before=error@1", None),
    payment("commit.before=kill@1", Some(ServiceName::Payment)),
    payment("commit.before=error@1", None),
    payment("commit.after=kill@1", Some(ServiceName::Payment)),
    payment("commit.after=error@1", None),
    payment("ledger.void.after=kill@1", Some(ServiceName::Payment)),
    payment("ledger.void.after=error@1", None),
];

pub(super) fn trial(database: DatabaseKind) -> Trial {
    let name = format!("{}::crashes::voiding", database.name());
    crate::shared(&name, &database.needs(), move || async move {
        run_all(CASES, move |case| void(database, case)).await?;
        void_finds_the_charge(database).await
    })
}

async fn void(database: DatabaseKind, case: Case) -> Result<(), Failed> {
    let point = "payments.charge.before";
    let config = ClusterConfig::new(database).order_faults(format!("{point}=error"));
    let mut cluster = Cluster::start(config.payment_faults(case.payment)).await?;
    let mut history = History::new(1, "key", super::MINOR);
    expect_first(&mut cluster, &mut history, Expected::Unknown, &[point]).await?;
    make_old(&mut cluster, case.order).await?;
    match case.killed {
        Some(ServiceName::Order) => cluster.orders[0].wait_until_killed().await?,
        Some(ServiceName::Payment) => cluster.payments[0].wait_until_killed().await?,
        None => {}
    }
    cluster.restart_stopped().await?;
    wait_for_status(&cluster, Some("VOIDED")).await?;
    let order = cluster.databases.orders().await?[0].id;
    let charged = charge(&cluster, 1, order, super::MINOR).await?;
    check(charged == Err("VOIDED".to_owned()), || format!("a charge after the Void: {charged:?}"))?;
    expect(&cluster, &mut history, Expected::Voided).await?;
    finish(cluster, &[history]).await
}

/// Order voids an order that was charged, whose reply was lost: Payment returns the charge, and the order
/// becomes PAID.
async fn void_finds_the_charge(database: DatabaseKind) -> Result<(), Failed> {
    let point = "payments.charge.after";
    let config = ClusterConfig::new(database).order_faults(format!("{point}=error"));
    let mut cluster = Cluster::start(config).await?;
    let mut history = History::new(1, "key", super::MINOR);
    expect_first(&mut cluster, &mut history, Expected::Unknown, &[point]).await?;
    wait_until_charged(&cluster).await?;
    make_old(&mut cluster, "").await?;
    wait_for_status(&cluster, Some("PAID")).await?;
    expect(&cluster, &mut history, Expected::Replayed).await?;
    finish(cluster, &[history]).await
}

/// A 504 may precede the charge as well.
async fn wait_until_charged(cluster: &Cluster) -> Result<(), Failed> {
    let deadline = Instant::now() + WAIT_MAX;
    while cluster.databases.snapshot().await?.payments.is_empty() {
        check(Instant::now() < deadline, || "the order was not charged".to_owned())?;
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Kills Order, moves the start of its PENDING order back in time, and starts Order with these fault
/// injection rules.
async fn make_old(cluster: &mut Cluster, rules: &str) -> Result<(), Failed> {
    // A 504 may precede the commit of the order.
    wait_for_status(cluster, Some("PENDING")).await?;
    cluster.orders[0].kill().await?;
    let ms = PENDING_SINCE.as_millis();
    let sql = format!("UPDATE orders SET pending_since_ms = pending_since_ms - {ms}, next_check_at_ms = 0");
    let updated = cluster.databases.execute(ServiceName::Order, &sql).await?;
    check(updated == 1, || format!("{updated} orders were made old"))?;
    cluster.orders[0].spawn(&fault_vars(rules))
}
