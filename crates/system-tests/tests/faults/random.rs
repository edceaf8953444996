//! Random schedules. A seed draws the databases, the number of instances, the faults and their times. Clients
//! place 200 orders during the faults; then the nemesis heals everything, all orders settle, and the
//! invariants are checked.
//!
//! One seed draws the same schedule again. It does not determine how the operating system schedules the
//! processes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use system_tests::{client::History, rng::Rng};
use test_support::{Failed, Trial, check, server::Kind, variable};
use tokio::task::JoinSet;

use crate::{
    cluster::{Cluster, ClusterConfig},
    db_snapshot::DatabaseKind,
    invariants::check_invariants,
};

mod fault_rules;
mod nemesis;
mod workload;

use nemesis::{FaultCounts, Nemesis};

/// Schedules, all on SQLite, unless `SCHEDULES` is set.
const SCHEDULES_DEFAULT: u64 = 20;
/// A schedule waits most of the time.
const CONCURRENCY: usize = 6;
/// How long the faults last, unless all orders are placed before.
const FAULTS_MAX: Duration = Duration::from_secs(8);
/// How long after that every client that retries has a final response.
const FINAL_MAX: Duration = Duration::from_secs(90);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1500);

pub(crate) fn trials() -> Vec<Trial> {
    let seeds = seeds();
    let uses = |kind: Kind| seeds.iter().any(|seed| database(*seed) == DatabaseKind::Server(kind));
    let needs: Vec<_> = Kind::ALL.into_iter().filter(|kind| uses(*kind)).map(Kind::need).collect();
    vec![crate::shared("random::schedules_keep_the_invariants", &needs, || run(seeds))]
}

/// `SCHEDULE_SEED` names one schedule, `SCHEDULES` their number over all databases; the default is all on
/// SQLite.
fn seeds() -> Vec<u64> {
    let number = |name: &str| variable(name).parse().ok();
    match (number("SCHEDULE_SEED"), number("SCHEDULES")) {
        (Some(seed), _) => vec![seed],
        (None, Some(schedules)) => (0..schedules).collect(),
        (None, None) => {
            (0..SCHEDULES_DEFAULT).map(|schedule| schedule * DatabaseKind::ALL.len() as u64).collect()
        }
    }
}

/// The database of a seed, always the same.
fn database(seed: u64) -> DatabaseKind {
    DatabaseKind::ALL[usize::try_from(seed % DatabaseKind::ALL.len() as u64).expect("an index")]
}

async fn run(seeds: Vec<u64>) -> Result<(), Failed> {
    let (started, schedules) = (Instant::now(), seeds.len());
    let (mut waiting, mut running) = (seeds.into_iter(), JoinSet::new());
    let (mut total, mut failed) = (Summary::default(), Vec::new());
    loop {
        while running.len() < CONCURRENCY
            && let Some(seed) = waiting.next()
        {
            running.spawn(async move { (seed, tokio::spawn(run_schedule(seed)).await) });
        }
        let Some(ended) = running.join_next().await else { break };
        let (seed, ended) = ended?;
        match ended.map_err(Failed::from).and_then(|summary| summary) {
            Ok(summary) => total.add(summary),
            Err(error) => {
                let message = error.message().unwrap_or("failed");
                let message = format!("SCHEDULE_SEED={seed} ({}): {message}", database(seed).name());
                crate::print_figure(&message);
                failed.push(message);
            }
        }
    }
    crate::print_figure(&format!("{schedules} schedules in {:.0?}: {total}", started.elapsed()));
    check(failed.is_empty(), || failed.join("\n"))
}

async fn run_schedule(seed: u64) -> Result<Summary, Failed> {
    let mut rng = Rng::new(seed);
    let database = database(seed);
    let instances = if database == DatabaseKind::Sqlite { 1 } else { usize::try_from(rng.in_range(1..=2))? };
    let mut config = ClusterConfig::new(database).instances(instances).request_timeout(REQUEST_TIMEOUT);
    if rng.in_range(0..=1) == 1 {
        config = config.balanced();
    }
    if rng.chance_percent(70) {
        config = config.proxied();
    }
    let mut nemesis = Nemesis::new(&mut rng);
    let config = config.order_faults(nemesis.order_rules()).payment_faults(nemesis.payment_rules());
    let mut cluster = Cluster::start(config).await?;
    let workload = workload::start(&cluster.client, &mut rng);
    let until = Instant::now() + FAULTS_MAX;
    while Instant::now() < until && !workload.is_finished() {
        nemesis.cause_fault(&mut cluster).await?;
    }
    nemesis.heal(&mut cluster).await?;
    let healed = Instant::now();
    let histories = workload.finish(healed + FINAL_MAX).await?;
    cluster.wait_until_settled().await?;
    let settled = healed.elapsed();
    let snapshot = cluster.databases.snapshot().await?;
    check_invariants(&histories, &snapshot)?;
    workload::read_paid_orders(&cluster.client, &histories).await?;
    let faults = nemesis.counts(&cluster);
    cluster.finish();
    Ok(Summary::new(&histories, snapshot.orders.len(), faults, settled))
}

/// The results of one schedule, or of all.
#[derive(Debug, Default)]
struct Summary {
    orders: usize,
    responses: BTreeMap<String, usize>,
    faults: FaultCounts,
    /// The longest time from healing to the last final response.
    settled: Duration,
}

impl Summary {
    fn new(histories: &[History], orders: usize, faults: FaultCounts, settled: Duration) -> Self {
        let mut responses = BTreeMap::new();
        for attempt in histories.iter().flat_map(|history| &history.attempts) {
            let name = attempt.response.as_ref().map_or_else(
                || "no response".to_owned(),
                |response| format!("{} {}", response.status, response.reason).trim().to_owned(),
            );
            *responses.entry(name).or_default() += 1;
        }
        Self { orders, responses, faults, settled }
    }

    fn add(&mut self, other: Self) {
        self.orders += other.orders;
        for (name, count) in other.responses {
            *self.responses.entry(name).or_default() += count;
        }
        self.faults.add(&other.faults);
        self.settled = self.settled.max(other.settled);
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { orders, responses, faults, settled } = self;
        write!(f, "{orders} orders; {faults}; settled at most {settled:.1?} after healing; responses:")?;
        responses.iter().try_for_each(|(name, count)| write!(f, " {count} × {name},"))
    }
}
