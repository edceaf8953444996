//! One run: faults for a while, then healing, then every order must reach a final state.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use order::{
    application::CHARGE_MAX,
    domain::{OrderId, Status},
};
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    clients,
    counters::Counters,
    hosts::{self, OrderHost, PaymentHost},
    invariants,
    simulation::Simulation,
};

/// How long after healing a PENDING order may stay so: its request holds the lease while its charge hangs, it
/// is due 2 s later, a call that hangs takes 2 s, a reconciler pauses for 1 s after a failure, and slow store
/// calls may still run.
const SETTLED_MAX: Duration = Duration::from_secs(CHARGE_MAX.as_secs() + 10);
const SETTLED_POLL: Duration = Duration::from_secs(1);
/// How long after healing clients may take, with all their retries.
const CLIENTS_MAX: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct RunResult {
    pub(crate) seed: u64,
    pub(crate) hash: u64,
    pub(crate) counters: Counters,
    pub(crate) violations: Vec<String>,
    pub(crate) events: Vec<String>,
}

/// The run of `seed`, always the same.
pub(crate) fn run(seed: u64) -> RunResult {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(simulate(seed))
    }));
    result.unwrap_or_else(|_| RunResult {
        seed,
        hash: 0,
        counters: Counters::default(),
        violations: vec!["the run itself panicked".to_owned()],
        events: Vec::new(),
    })
}

async fn simulate(seed: u64) -> RunResult {
    let sim = Simulation::new(seed);
    let mut background = JoinSet::new();
    for number in 0..sim.payment_hosts.len() {
        background.spawn(PaymentHost::run(sim.clone(), number));
    }
    for number in 0..sim.order_hosts.len() {
        background.spawn(OrderHost::run(sim.clone(), number));
    }
    background.spawn(hosts::cut_links(sim.clone()));
    background.spawn(hosts::cause_outage(sim.clone()));
    let mut clients = JoinSet::new();
    for intent in sim.plan.intents.clone() {
        clients.spawn(sim.reporting_panics(clients::run(sim.clone(), intent)));
    }
    sleep(sim.plan.faults_for).await;
    heal(&sim).await;
    finish(&sim, clients).await;
    background.abort_all();
    sim.order_hosts.iter().for_each(OrderHost::stop_for_good);
    // The calls that are still in flight must change nothing.
    sim.calls.wait().await;
    sim.payment_hosts.iter().for_each(PaymentHost::stop_for_good);
    invariants::check_all(&sim);
    result(seed, &sim)
}

/// Ends the faults, and waits until the orders that are PENDING now are settled.
async fn heal(sim: &Arc<Simulation>) {
    sim.log(format_args!("healed"));
    sim.healed.cancel();
    sim.commits.close();
    sim.calls.close();
    let healed_at = sim.now();
    let older = |order: &OrderId| sim.orders.history(*order).last().is_some_and(|(at, _)| *at <= healed_at);
    wait_until_settled(sim, older).await;
}

/// Waits until none of the orders that `filter` selects is PENDING.
async fn wait_until_settled(sim: &Simulation, filter: impl Fn(&OrderId) -> bool) {
    let since = sim.now();
    loop {
        let mut waiting = pending(sim);
        waiting.retain(&filter);
        if waiting.is_empty() {
            return;
        }
        if sim.now() - since > SETTLED_MAX {
            return sim.report_violation(format!("PENDING {SETTLED_MAX:?} after healing: {waiting:?}"));
        }
        sleep(SETTLED_POLL).await;
    }
}

/// Waits for all clients, for commits in flight, and for the settlement of every order.
async fn finish(sim: &Arc<Simulation>, clients: JoinSet<()>) {
    if timeout(CLIENTS_MAX, clients.join_all()).await.is_err() {
        sim.report_violation("clients still wait for responses".to_owned());
    }
    sim.commits.wait().await;
    wait_until_settled(sim, |_| true).await;
}

/// The PENDING orders, except those whose payment differs from the order: these stay PENDING.
fn pending(sim: &Simulation) -> Vec<OrderId> {
    let payments = invariants::payments(sim);
    let pending = sim.orders.fake.all().into_iter().filter(|order| order.status == Status::Pending);
    let waits = pending.filter(|order| !invariants::is_mismatch(order, payments.get(&order.id)));
    waits.map(|order| order.id).collect()
}

fn result(seed: u64, sim: &Simulation) -> RunResult {
    let mut record = sim.record();
    record.counters.seeds = 1;
    record.counters.fault_free_seeds = u64::from(sim.plan.fault_free);
    record.counters.orders = sim.orders.fake.all().len().try_into().unwrap();
    RunResult {
        seed,
        hash: record.events.hash(),
        counters: record.counters.clone(),
        violations: record.violations.clone(),
        events: std::mem::take(&mut record.events.lines),
    }
}
