//! One run: things go wrong for a while, then all is well, then everything must have come to its end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use order::domain::{OrderId, Status};
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    check, customers,
    hosts::{self, OrderHost, PaymentHost},
    tally::Tally,
    world::World,
};

/// How long after all is well what was PENDING then is settled: it is due again within 2 s, a call that hangs
/// takes 2 s, a reconciler that was not answered pauses for 1 s, and stores that were slow may still be so.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);
const SETTLED_POLL: Duration = Duration::from_secs(1);
/// How long customers may take to be answered once all is well, with all that they try.
const ANSWERED_WITHIN: Duration = Duration::from_secs(600);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) seed: u64,
    pub(crate) hash: u64,
    pub(crate) tally: Tally,
    pub(crate) violations: Vec<String>,
    pub(crate) journal: Vec<String>,
}

/// The run of `seed`, always the same.
pub(crate) fn run(seed: u64) -> Ended {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(live(seed))
    }));
    lived.unwrap_or_else(|_| Ended {
        seed,
        hash: 0,
        tally: Tally::default(),
        violations: vec!["the run itself panicked".to_owned()],
        journal: Vec::new(),
    })
}

async fn live(seed: u64) -> Ended {
    let world = World::new(seed);
    let mut background = JoinSet::new();
    for number in 0..world.payment_hosts.len() {
        background.spawn(PaymentHost::run(world.clone(), number));
    }
    for number in 0..world.order_hosts.len() {
        background.spawn(OrderHost::run(world.clone(), number));
    }
    background.spawn(hosts::part(world.clone()));
    background.spawn(hosts::outage(world.clone()));
    let mut customers = JoinSet::new();
    for wish in world.plan.wishes.clone() {
        customers.spawn(world.watched(customers::pursue(world.clone(), wish)));
    }
    sleep(world.plan.chaos).await;
    heal(&world).await;
    settle(&world, customers).await;
    background.abort_all();
    world.order_hosts.iter().for_each(OrderHost::switch_off);
    // What is still under way to Payment must change nothing any more.
    world.calls.wait().await;
    world.payment_hosts.iter().for_each(PaymentHost::switch_off);
    check::all(&world);
    ended(seed, &world)
}

/// All is well from now on; what was PENDING is settled soon.
async fn heal(world: &Arc<World>) {
    world.log(format_args!("all is well"));
    world.healed.cancel();
    world.commits.close();
    world.calls.close();
    let healed_at = world.now();
    let left_over =
        |order: &OrderId| world.orders.history(*order).last().is_some_and(|(at, _)| *at <= healed_at);
    settled(world, left_over).await;
}

/// Waits until no order of this kind is PENDING, which is soon.
async fn settled(world: &World, kind: impl Fn(&OrderId) -> bool) {
    let since = world.now();
    loop {
        let mut waiting = pending(world);
        waiting.retain(&kind);
        if waiting.is_empty() {
            return;
        }
        if world.now() - since > SETTLED_WITHIN {
            return world.violated(format!("PENDING, {SETTLED_WITHIN:?} after all was well: {waiting:?}"));
        }
        sleep(SETTLED_POLL).await;
    }
}

/// Waits until customers have their answers, and nothing is left to land or to settle.
async fn settle(world: &Arc<World>, customers: JoinSet<()>) {
    if timeout(ANSWERED_WITHIN, customers.join_all()).await.is_err() {
        world.violated("customers are still not answered".to_owned());
    }
    world.commits.wait().await;
    settled(world, |_| true).await;
}

/// The orders that are PENDING although Payment does not know them otherwise.
fn pending(world: &World) -> Vec<OrderId> {
    let payments = check::payments(world);
    let pending = world.orders.fake.all().into_iter().filter(|order| order.status == Status::Pending);
    let waits = pending.filter(|order| !check::is_mismatch(order, payments.get(&order.id)));
    waits.map(|order| order.id).collect()
}

fn ended(seed: u64, world: &World) -> Ended {
    let mut record = world.record();
    record.tally.seeds = 1;
    record.tally.calm_seeds = u64::from(world.plan.calm);
    record.tally.orders = world.orders.fake.all().len().try_into().unwrap();
    Ended {
        seed,
        hash: record.journal.hash(),
        tally: record.tally.clone(),
        violations: record.violations.clone(),
        journal: std::mem::take(&mut record.journal.lines),
    }
}
