//! Payment is stopped, or frozen during a charge: the responses meanwhile, and the final state.

use std::time::{Duration, Instant};

use system_tests::client::{History, Response};
use test_support::{Failed, Trial, check};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    cluster::{Cluster, ClusterConfig},
    db_snapshot::DatabaseKind,
    invariants::check_invariants,
};

/// The time from the end of the freeze to the settlement. An unoptimised build on a busy machine must only
/// finish.
const SETTLED_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 5 });
/// Shorter and longer than the keep-alive timeout of a connection (15 s).
const FREEZES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(18)];
const POLL_INTERVAL: Duration = Duration::from_millis(25);
/// Orders that are placed while Payment is frozen.
const CONCURRENT_ORDERS: i64 = 1000;
/// How long the final state is watched for late charges.
const LATE: Duration = Duration::from_secs(2);
const WAIT_MAX: Duration = Duration::from_secs(30);
const LONG_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn trials(database: DatabaseKind) -> Vec<Trial> {
    let name = |what: &str| format!("{}::outage::{what}", database.name());
    vec![
        crate::shared(&name("stopped_payment_charges_nothing"), &database.needs(), move || stopped(database)),
        crate::shared(
            &name("payment_frozen_during_a_charge_charges_once"),
            &database.needs(),
            move || async move {
                let [short, long] = FREEZES;
                let (short, long) = tokio::join!(frozen(database, short), frozen(database, long));
                short.and(long)
            },
        ),
        crate::shared(
            &name("payment_frozen_under_load_contradicts_no_response"),
            &database.needs(),
            move || frozen_under_load(database),
        ),
    ]
}

async fn stopped(database: DatabaseKind) -> Result<(), Failed> {
    let mut cluster = Cluster::start(ClusterConfig::new(database).request_timeout(LONG_TIMEOUT)).await?;
    let mut history = History::new(1, "key", 12);
    cluster.payments[0].terminate().await?;
    let rejected = attempt(&cluster, &mut history).await?;
    let not_charged = (rejected.status, rejected.reason.as_str()) == (503, "NOT_CHARGED");
    check(not_charged && rejected.retry_after.is_some(), || format!("{rejected:?}"))?;
    let snapshot = cluster.databases.snapshot().await?;
    check_invariants(std::slice::from_ref(&history), &snapshot)?;
    check(snapshot.orders[0].status == "NOT_CHARGED", || format!("{snapshot:?}"))?;

    cluster.payments[0].start(&[]).await?;
    // Order delays its attempts to connect.
    let until = Instant::now() + WAIT_MAX;
    check(cluster.client.retry_until_final(&mut history, until).await, || format!("{history:?}"))?;
    let last = history.responses().last().ok_or("no response")?;
    check(last.status == 201 && !last.replayed && last.order == rejected.order, || format!("{last:?}"))?;
    finish(cluster, history).await
}

async fn frozen(database: DatabaseKind, freeze: Duration) -> Result<(), Failed> {
    let point = "ledger.charge.before";
    let config = ClusterConfig::new(database).payment_faults(format!("{point}=delay:700@1"));
    let cluster = Cluster::start(config).await?;
    let mut history = History::new(1, "key", 12);
    let (order, frozen) = tokio::join!(place_unknown(&cluster, &mut history), async {
        let deadline = Instant::now() + WAIT_MAX;
        while !cluster.payments[0].log().contains(point) {
            check(Instant::now() < deadline, || format!("{point} was not passed"))?;
            sleep(POLL_INTERVAL).await;
        }
        cluster.payments[0].freeze()
    });
    frozen?;
    let order = order?;
    sleep(freeze).await;
    cluster.payments[0].thaw()?;
    let thawed = Instant::now();
    while cluster.client.get_order(order).await.is_none_or(|response| response.body["status"] != "PAID") {
        check(thawed.elapsed() < SETTLED_MAX, || format!("not PAID {SETTLED_MAX:?} after {freeze:?}"))?;
        sleep(POLL_INTERVAL).await;
    }
    let settled = thawed.elapsed();
    crate::print_figure(&format!("{}: frozen for {freeze:?}, settled {settled:?} after", database.name()));
    let replay = attempt_until_final(&cluster, &mut history).await?;
    check(replay.status == 201 && replay.replayed && replay.order == Some(order), || format!("{replay:?}"))?;
    finish(cluster, history).await
}

/// Places an order whose response must be 504; returns its id. A busy machine may reject it as NOT_STARTED
/// before.
async fn place_unknown(cluster: &Cluster, history: &mut History) -> Result<i64, Failed> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let response = attempt(cluster, history).await?;
        if (response.status, response.reason.as_str()) == (503, "NOT_STARTED") && Instant::now() < deadline {
            sleep(POLL_INTERVAL).await;
            continue;
        }
        let unknown = (response.status, response.reason.as_str()) == (504, "OUTCOME_UNKNOWN");
        return Ok(response.order.filter(|_| unknown).ok_or_else(|| format!("{response:?}"))?);
    }
}

/// The calls wait for a frozen Payment until their connection is closed. Some are in its socket and run after
/// the freeze; some never left Order.
async fn frozen_under_load(database: DatabaseKind) -> Result<(), Failed> {
    let cluster = Cluster::start(ClusterConfig::new(database)).await?;
    let mut first = History::new(1, "first", 12);
    attempt(&cluster, &mut first).await?;
    cluster.payments[0].freeze()?;
    let mut placing = JoinSet::new();
    for number in 0..CONCURRENT_ORDERS {
        let client = cluster.client.clone();
        placing.spawn(async move {
            let mut history = History::new(number % 20 + 1, format!("order-{number}"), 12);
            client.attempt(&mut history).await;
            history
        });
    }
    let mut histories = placing.join_all().await;
    histories.push(first);
    sleep(FREEZES[1]).await;
    cluster.payments[0].thaw()?;
    cluster.wait_until_settled().await?;
    let snapshot = cluster.databases.snapshot().await?;
    let not_charged = snapshot.orders.iter().filter(|order| order.status == "NOT_CHARGED").count();
    crate::print_figure(&format!(
        "{}: of {CONCURRENT_ORDERS} calls of a frozen Payment, {not_charged} never ran",
        database.name()
    ));
    // Calls in the socket of Payment may run now, and must not contradict the settled orders.
    sleep(LATE).await;
    check_invariants(&histories, &cluster.databases.snapshot().await?)?;
    cluster.finish();
    Ok(())
}

async fn attempt(cluster: &Cluster, history: &mut History) -> Result<Response, Failed> {
    cluster.client.attempt(history).await.ok_or_else(|| "no response".into())
}

async fn attempt_until_final(cluster: &Cluster, history: &mut History) -> Result<Response, Failed> {
    let until = Instant::now() + WAIT_MAX;
    check(cluster.client.retry_until_final(history, until).await, || format!("{history:?}"))?;
    Ok(history.responses().last().cloned().ok_or("no response")?)
}

async fn finish(cluster: Cluster, history: History) -> Result<(), Failed> {
    let snapshot = cluster.databases.snapshot().await?;
    check_invariants(&[history], &snapshot)?;
    check(snapshot.payments.len() == 1, || format!("not one charge: {snapshot:?}"))?;
    cluster.finish();
    Ok(())
}
