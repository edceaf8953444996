//! Every point at which placing an order can fail: the response at that moment, and the final state of the
//! order.
//!
//! | where it fails | trial |
//! |---|---|
//! | before, at and after the INSERT and its COMMIT | `order_insert` |
//! | before, during and after the call that charges | `charge` |
//! | before, at and after the settlement | `settlement` |
//! | the reconciler, around its claim, charge and settlement | `reconciler` |
//! | Payment, before, at and after its COMMIT | `payment_commit` |
//! | Void, before and after; a charge that arrives too late | `voiding`, `late_duplicate` |
//! | two instances with one order; a client that disconnects; connections that are cut | `two_instances`, `client_disconnect`, `connection_cuts` |

use std::time::{Duration, Instant};

use system_tests::client::{History, Response};
use test_support::{Failed, Trial, check};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    cluster::{Cluster, ClusterConfig, fault_vars},
    db_snapshot::{DatabaseKind, OrderRow, ServiceName},
    invariants::check_invariants,
};

mod charge;
mod client_disconnect;
mod connection_cuts;
mod late_duplicate;
mod order_insert;
mod payment_commit;
mod reconciler;
mod settlement;
mod two_instances;
mod voiding;

/// How long anything may take that a test waits for, the restart of a process on a busy machine included.
const WAIT_MAX: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(25);
/// `REQUEST_TIMEOUT_MS` where the response must not be late, even on a busy machine.
const LONG_TIMEOUT: Duration = Duration::from_secs(10);
/// The price of every order.
const MINOR: i64 = 12;

/// An expected response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// 201, not a replay.
    Paid,
    /// 201, a replay.
    Replayed,
    /// 503: the request had no effect.
    NotStarted,
    /// 503: saved as NOT_CHARGED.
    NotCharged,
    /// 504 with the order's id.
    Unknown,
    /// 504 of a gateway that lost its connection to Order.
    UnknownWithoutId,
    /// 410.
    Voided,
}

impl Expected {
    fn matches(self, response: &Response) -> bool {
        let Response { status, reason, order, replayed, retry_after, .. } = response;
        let (has_id, retryable) = (order.is_some(), retry_after.is_some());
        match self {
            Self::Paid => *status == 201 && has_id && !replayed,
            Self::Replayed => *status == 201 && has_id && *replayed,
            Self::NotStarted => is_not_started(response) && retryable,
            Self::NotCharged => *status == 503 && reason == "NOT_CHARGED" && retryable && has_id,
            Self::Unknown => *status == 504 && reason == "OUTCOME_UNKNOWN" && has_id,
            Self::UnknownWithoutId => *status == 504 && reason == "OUTCOME_UNKNOWN" && !has_id,
            Self::Voided => *status == 410 && reason == "ORDER_VOIDED" && has_id,
        }
    }
}

fn is_not_started(response: &Response) -> bool {
    response.status == 503 && response.reason == "NOT_STARTED"
}

/// One failure.
#[derive(Debug, Clone, Copy)]
struct Case {
    /// `FAULT_INJECTION` of Order and of Payment.
    order: &'static str,
    payment: &'static str,
    /// The service that the failure kills.
    killed: Option<ServiceName>,
    /// The first response.
    first: Expected,
    /// The order's status then, without a retry; `None` where there is no row.
    status: Option<&'static str>,
    /// The response to the retry after that.
    retry: Expected,
}

impl Case {
    /// A failure of Order. The order ends PAID.
    const fn order(rules: &'static str, first: Expected) -> Self {
        let retry = Expected::Replayed;
        Self { order: rules, payment: "", killed: None, first, status: Some("PAID"), retry }
    }

    /// A failure of Payment. The order ends PAID.
    const fn payment(rules: &'static str, first: Expected) -> Self {
        Self { order: "", payment: rules, ..Self::order("", first) }
    }

    const fn kills(self, service: ServiceName) -> Self {
        Self { killed: Some(service), ..self }
    }

    /// No row is left, and a retry places the order.
    const fn without_row(self) -> Self {
        Self { status: None, retry: Expected::Paid, ..self }
    }

    /// The order ends NOT_CHARGED, and a retry charges it.
    const fn not_charged(self) -> Self {
        Self { status: Some("NOT_CHARGED"), retry: Expected::Paid, ..self }
    }

    /// Whether every response precedes the deadline: no delay, and no outcome that stays unknown until then.
    fn responds_in_time(self) -> bool {
        let delayed = [self.order, self.payment].iter().any(|rules| rules.contains("delay"));
        !delayed && ![self.first, self.retry].contains(&Expected::Unknown)
    }

    /// The names of its fault injection points.
    fn points(self) -> impl Iterator<Item = &'static str> {
        let rules = self.order.split(',').chain(self.payment.split(','));
        rules.filter_map(|rule| rule.split_once('=')).map(|(point, _)| point.trim())
    }
}

pub(crate) fn trials(database: DatabaseKind) -> Vec<Trial> {
    let of = |name: &str, cases: &'static [Case]| {
        let name = format!("{}::crashes::{name}", database.name());
        crate::shared(&name, &database.needs(), move || run_all(cases, move |case| run(database, case)))
    };
    let mut trials = vec![
        of("order_insert", order_insert::CASES),
        of("charge", charge::CASES),
        of("settlement", settlement::CASES),
        of("reconciler", reconciler::CASES),
        of("payment_commit", payment_commit::CASES),
        voiding::trial(database),
        late_duplicate::trial(database),
        client_disconnect::trial(database),
        connection_cuts::trial(database),
    ];
    trials.extend(two_instances::trial(database));
    trials
}

/// Runs every case, four at a time, and reports every failure.
async fn run_all<C, F>(cases: &'static [C], run: impl Fn(C) -> F) -> Result<(), Failed>
where
    C: std::fmt::Debug + Copy + Send + 'static,
    F: Future<Output = Result<(), Failed>> + Send + 'static,
{
    const CONCURRENCY: usize = 4;
    let (mut waiting, mut running, mut failed) = (cases.iter().copied(), JoinSet::new(), Vec::new());
    loop {
        while running.len() < CONCURRENCY
            && let Some(case) = waiting.next()
        {
            let run = run(case);
            running.spawn(async move {
                run.await.map_err(|error| format!("{case:?}: {}", error.message().unwrap_or("failed")))
            });
        }
        match running.join_next().await {
            Some(ended) => failed.extend(ended?.err()),
            None if failed.is_empty() => return Ok(()),
            None => return Err(failed.join("\n").into()),
        }
    }
}

async fn run(database: DatabaseKind, case: Case) -> Result<(), Failed> {
    let mut config =
        ClusterConfig::new(database).without_retries().order_faults(case.order).payment_faults(case.payment);
    if case.responds_in_time() {
        config = config.request_timeout(LONG_TIMEOUT);
    }
    let mut cluster = Cluster::start(config).await?;
    let mut history = History::new(1, "key", MINOR);
    let points: Vec<_> = case.points().collect();
    expect_first(&mut cluster, &mut history, case.first, &points).await?;
    match case.killed {
        Some(ServiceName::Order) => cluster.orders[0].wait_until_killed().await?,
        Some(ServiceName::Payment) => cluster.payments[0].wait_until_killed().await?,
        None => {}
    }
    cluster.restart_stopped().await?;
    wait_for_status(&cluster, case.status).await?;
    expect(&cluster, &mut history, case.retry).await?;
    for point in points {
        check(is_passed(&mut cluster, point), || format!("{point} was not passed"))?;
    }
    if case.order.contains("twice") {
        wait_for_second_delivery(&cluster).await?;
    }
    finish(cluster, &[history]).await
}

/// Sends the order until it passes a point: on a busy machine, a request may be rejected as NOT_STARTED
/// before that. Then the response must be `expected`.
async fn expect_first(
    cluster: &mut Cluster,
    history: &mut History,
    expected: Expected,
    points: &[&str],
) -> Result<(), Failed> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let response = cluster.client.attempt_at(0, history).await;
        if response.as_ref().is_some_and(|response| expected.matches(response)) {
            return Ok(());
        }
        let too_early = response.as_ref().is_some_and(is_not_started)
            && !points.iter().any(|point| is_passed(cluster, point))
            && Instant::now() < deadline;
        check(too_early, || format!("expected {expected:?}, got {response:?}"))?;
        sleep(POLL_INTERVAL).await;
    }
}

/// Sends the order; the response must be `expected`. Retries for a final outcome, which a busy machine may
/// return late.
async fn expect(cluster: &Cluster, history: &mut History, expected: Expected) -> Result<(), Failed> {
    let is_final = matches!(expected, Expected::Replayed | Expected::Voided);
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let response = cluster.client.attempt_at(0, history).await;
        if response.as_ref().is_some_and(|response| expected.matches(response)) {
            return Ok(());
        }
        let late = response.as_ref().is_none_or(|response| {
            is_not_started(response) || (is_final && matches!(response.status, 409 | 504))
        });
        check(late && Instant::now() < deadline, || format!("expected {expected:?}, got {response:?}"))?;
        sleep(POLL_INTERVAL).await;
    }
}

/// Whether a service has logged that it passed this fault injection point.
fn is_passed(cluster: &mut Cluster, point: &str) -> bool {
    let entry = format!("\"point\":\"{point}\"");
    cluster.services().any(|service| service.log().contains(&entry))
}

/// Waits until the only order has this status. With `None`, there must be no row now.
async fn wait_for_status(cluster: &Cluster, status: Option<&str>) -> Result<(), Failed> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let rows = cluster.databases.orders().await?;
        let found = rows.first().map(|row: &OrderRow| row.status.as_str());
        if found == status {
            return Ok(());
        }
        let waiting = status.is_some() && Instant::now() < deadline;
        check(waiting, || format!("the status is {found:?}, expected {status:?}"))?;
        sleep(POLL_INTERVAL).await;
    }
}

async fn wait_for_second_delivery(cluster: &Cluster) -> Result<(), Failed> {
    let deadline = Instant::now() + WAIT_MAX;
    while !cluster.orders[0].log().contains("charge delivered twice") {
        check(Instant::now() < deadline, || "no charge was delivered twice".to_owned())?;
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Waits until everything is settled, and checks the invariants.
async fn finish(cluster: Cluster, histories: &[History]) -> Result<(), Failed> {
    cluster.wait_until_settled().await?;
    check_invariants(histories, &cluster.databases.snapshot().await?)?;
    cluster.finish();
    Ok(())
}

/// Kills an Order and starts it with these fault injection rules.
async fn restart_order(cluster: &mut Cluster, index: usize, rules: &str) -> Result<(), Failed> {
    cluster.orders[index].kill().await?;
    cluster.orders[index].start(&fault_vars(rules)).await
}
