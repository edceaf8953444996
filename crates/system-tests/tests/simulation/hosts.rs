//! The machines that instances run on: each starts its instance again whenever that has ended.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use payment::domain::CreditLimit;
use tokio::time::{Instant, sleep};

use crate::{
    faults::Fault,
    network::PaymentFromSite,
    plan::{CREDIT_LIMIT_MAJOR, Outage},
    process::Process,
    store::Site,
    stores::{LedgerFromSite, OrdersFromSite},
    system::{Alarms, Clock, Minter, Tasks},
    world::World,
};

/// How far a clock is set forwards or back.
const JUMP_MS_MAX: u64 = 6 * 60 * 60 * 1000;
/// How long an instance that was killed is away.
const AWAY_MS_MAX: u64 = 5_000;

/// A machine with an instance of `A`.
pub(crate) struct Host<A> {
    running: Mutex<Option<(A, Arc<Process>)>>,
    offset_ms: Arc<AtomicI64>,
}

pub(crate) type OrderHost = Host<order::application::Application>;
pub(crate) type PaymentHost = Host<payment::application::Application>;

impl<A> Default for Host<A> {
    fn default() -> Self {
        Self { running: Mutex::default(), offset_ms: Arc::default() }
    }
}

impl<A: Clone> Host<A> {
    /// The instance, if it takes requests.
    pub(crate) fn up(&self) -> Option<(A, Arc<Process>)> {
        self.running.lock().unwrap().clone().filter(|(_, process)| process.accepts())
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up().is_some()
    }

    /// Ends the instance for good.
    pub(crate) fn switch_off(&self) {
        if let Some((_, process)) = self.running.lock().unwrap().take() {
            process.kill();
        }
    }

    fn clock(&self, world: &Arc<World>) -> Arc<Clock> {
        let offset_ms = self.offset_ms.clone();
        Arc::new(Clock { world: world.clone(), started: Instant::now(), offset_ms })
    }

    /// Kills, stops and confuses the instance now and then, until all is well.
    async fn trouble(&self, world: &World, [crash, stop]: [Fault; 2]) {
        while !world.is_healed() {
            let pause = world.ms(200..=2_000);
            world.sleep_in_chaos(pause).await;
            if world.strikes(Fault::ClockJump) {
                let jump = i64::try_from(world.within(0..=2 * JUMP_MS_MAX)).unwrap();
                self.offset_ms.store(jump - i64::try_from(JUMP_MS_MAX).unwrap(), Ordering::Relaxed);
            }
            let Some((_, process)) = self.up() else { continue };
            if world.strikes(crash) {
                world.log(format_args!("{} is killed", process.name));
                process.kill();
            } else if world.strikes(stop) {
                world.log(format_args!("{} is stopped", process.name));
                tokio::select! {
                    biased;
                    () = process.stop() => {}
                    // All is well means that all are up.
                    () = world.healed.cancelled() => process.kill(),
                }
            }
        }
    }
}

impl OrderHost {
    fn start(&self, world: &Arc<World>, number: usize) -> Arc<Process> {
        let process = Process::start(format!("order {number}"));
        let site = Site { world: world.clone(), process: process.clone(), crash: Fault::OrderCrashInCall };
        let clock = self.clock(world);
        let application = order::application::Application {
            orders: Arc::new(OrdersFromSite(site.clone())),
            price_list: None,
            payments: Arc::new(PaymentFromSite { site: site.clone(), number }),
            clock: clock.clone(),
            ids: Arc::new(Minter::new(site.clone(), clock)),
            tasks: Arc::new(Tasks(site.clone())),
            monitor: Arc::new(Alarms(site)),
        };
        let reconciling = application.clone();
        process.spawn_background(world.watched(async move { reconciling.reconcile().await }));
        world.log(format_args!("{} starts", process.name));
        *self.running.lock().unwrap() = Some((application, process.clone()));
        process
    }

    /// Keeps an instance running, until the run ends.
    pub(crate) async fn run(world: Arc<World>, number: usize) {
        let host = &world.order_hosts[number];
        let keep = async {
            loop {
                host.start(&world, number).ended().await;
                let away = world.ms(50..=AWAY_MS_MAX);
                world.sleep_in_chaos(away).await;
                if world.plan.is_dark(world.now()) {
                    world.sleep_in_chaos(world.plan.outage_ends() - world.now()).await;
                }
            }
        };
        tokio::join!(keep, host.trouble(&world, [Fault::OrderCrash, Fault::OrderStop]));
    }
}

impl PaymentHost {
    fn start(&self, world: &Arc<World>, number: usize) -> Arc<Process> {
        let process = Process::start(format!("payment {number}"));
        let site = Site { world: world.clone(), process: process.clone(), crash: Fault::PaymentCrashInCall };
        let clock = self.clock(world);
        let credit_limit: CreditLimit = CREDIT_LIMIT_MAJOR.to_string().parse().unwrap();
        let application = payment::application::Application {
            ledger: Arc::new(LedgerFromSite(site.clone())),
            clock: clock.clone(),
            ids: Arc::new(Minter::new(site, clock)),
            credit_limit,
        };
        world.log(format_args!("{} starts", process.name));
        *self.running.lock().unwrap() = Some((application, process.clone()));
        process
    }

    /// Keeps an instance running, until the run ends.
    pub(crate) async fn run(world: Arc<World>, number: usize) {
        let host = &world.payment_hosts[number];
        let keep = async {
            loop {
                host.start(&world, number).ended().await;
                let away = world.ms(50..=AWAY_MS_MAX);
                world.sleep_in_chaos(away).await;
            }
        };
        tokio::join!(keep, host.trouble(&world, [Fault::PaymentCrash, Fault::PaymentStop]));
    }

    /// Runs what is asked to its end, whoever waits for it; `None` where the instance is not there, or is killed.
    pub(crate) async fn serve<T: Send + 'static>(
        &self,
        world: &Arc<World>,
        ask: &(dyn Fn(payment::application::Application) -> Pin<Box<dyn Future<Output = T> + Send>> + Sync),
    ) -> Option<T> {
        let (application, process) = self.up()?;
        process.spawn(world.watched(ask(application))).await.ok()
    }
}

/// Cuts an Order from a Payment now and then, until all is well.
pub(crate) async fn part(world: Arc<World>) {
    while !world.is_healed() {
        let pause = world.ms(500..=3_000);
        world.sleep_in_chaos(pause).await;
        let rate = world.plan.rates.of(Fault::Partition);
        if world.chance(rate) {
            let order = world.index(world.order_hosts.len());
            let payment = world.index(world.payment_hosts.len());
            let until = world.now() + world.ms(500..=10_000);
            world.log(format_args!("order {order} and payment {payment} are parted until {until:?}"));
            world.partitions.part(order, payment, until);
        }
    }
}

/// The long trouble of the plan: it begins once customers have placed orders.
pub(crate) async fn outage(world: Arc<World>) {
    if world.plan.outage == Outage::None {
        return;
    }
    sleep(world.plan.outage_begins()).await;
    world.log(format_args!("{:?} begins", world.plan.outage));
    for (number, host) in world.order_hosts.iter().enumerate() {
        if world.plan.outage == Outage::Dark
            && let Some((_, process)) = host.up()
        {
            process.kill();
        }
        for payment in 0..world.payment_hosts.len() {
            world.partitions.part(number, payment, world.plan.outage_ends() + Duration::from_secs(20));
        }
    }
}
