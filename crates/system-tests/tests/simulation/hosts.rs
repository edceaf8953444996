//! Hosts of instances: each restarts its instance whenever that has ended.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use payment::domain::CreditLimits;
use tokio::time::{Instant, sleep};

use crate::{
    faults::Fault,
    faulty_stores::{FaultyLedger, FaultyOrders},
    instance::{Clock, IdSource, Tasks, ViolationMonitor},
    network::FaultyPayments,
    plan::{CREDIT_LIMIT_MAJOR, Outage},
    process::Process,
    simulation::Simulation,
    store_calls::InstanceContext,
};

/// The largest clock jump, in either direction.
const JUMP_MS_MAX: u64 = 6 * 60 * 60 * 1000;
/// The time between the end of an instance and its restart.
const DOWN_MS_MAX: u64 = 5_000;

/// A host of an instance of `A`.
pub(crate) struct Host<A> {
    instance: Mutex<Option<(A, Arc<Process>)>>,
    clock_offset_ms: Arc<AtomicI64>,
}

pub(crate) type OrderHost = Host<order::application::Application>;
pub(crate) type PaymentHost = Host<payment::application::Application>;

impl<A> Default for Host<A> {
    fn default() -> Self {
        Self { instance: Mutex::default(), clock_offset_ms: Arc::default() }
    }
}

impl<A: Clone> Host<A> {
    /// The instance, if it accepts requests.
    pub(crate) fn running(&self) -> Option<(A, Arc<Process>)> {
        self.instance.lock().unwrap().clone().filter(|(_, process)| process.accepts_requests())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// Kills the instance without a restart.
    pub(crate) fn stop_for_good(&self) {
        if let Some((_, process)) = self.instance.lock().unwrap().take() {
            process.kill();
        }
    }

    fn clock(&self, sim: &Arc<Simulation>) -> Arc<Clock> {
        let offset_ms = self.clock_offset_ms.clone();
        Arc::new(Clock { sim: sim.clone(), started: Instant::now(), offset_ms })
    }

    /// Kills and stops the instance and moves its clock, until the faults end.
    async fn cause_faults(&self, sim: &Simulation, [crash, stop]: [Fault; 2]) {
        while !sim.is_healed() {
            let pause = sim.ms(200..=2_000);
            sim.sleep_until_healed(pause).await;
            if sim.draw_fault(Fault::ClockJump) {
                let jump = i64::try_from(sim.in_range(0..=2 * JUMP_MS_MAX)).unwrap();
                self.clock_offset_ms.store(jump - i64::try_from(JUMP_MS_MAX).unwrap(), Ordering::Relaxed);
            }
            let Some((_, process)) = self.running() else { continue };
            if sim.draw_fault(crash) {
                sim.log(format_args!("{} is killed", process.name));
                process.kill();
            } else if sim.draw_fault(stop) {
                sim.log(format_args!("{} is stopped", process.name));
                tokio::select! {
                    biased;
                    () = process.stop() => {}
                    // After healing, every instance must run.
                    () = sim.healed.cancelled() => process.kill(),
                }
            }
        }
    }
}

impl OrderHost {
    fn start(&self, sim: &Arc<Simulation>, number: usize) -> Arc<Process> {
        let process = Process::start(format!("order {number}"));
        let context =
            InstanceContext { sim: sim.clone(), process: process.clone(), crash: Fault::OrderCrashInCall };
        let clock = self.clock(sim);
        let application = order::application::Application {
            orders: Arc::new(FaultyOrders(context.clone())),
            price_list: None,
            payments: Arc::new(FaultyPayments { context: context.clone(), number }),
            clock: clock.clone(),
            ids: Arc::new(IdSource::new(context.clone(), clock)),
            tasks: Arc::new(Tasks(context.clone())),
            monitor: Arc::new(ViolationMonitor(context)),
            waiters: order::application::Waiters::default(),
            leases: order::application::Leases::default(),
        };
        let reconciler = application.clone();
        process.spawn_background(sim.reporting_panics(async move { reconciler.reconcile().await }));
        sim.log(format_args!("{} starts", process.name));
        *self.instance.lock().unwrap() = Some((application, process.clone()));
        process
    }

    /// Runs an instance again and again, until the run ends.
    pub(crate) async fn run(sim: Arc<Simulation>, number: usize) {
        let host = &sim.order_hosts[number];
        let restart = async {
            loop {
                host.start(&sim, number).ended().await;
                let down = sim.ms(50..=DOWN_MS_MAX);
                sim.sleep_until_healed(down).await;
                if sim.plan.all_orders_down(sim.now()) {
                    sim.sleep_until_healed(sim.plan.outage_ends() - sim.now()).await;
                }
            }
        };
        tokio::join!(restart, host.cause_faults(&sim, [Fault::OrderCrash, Fault::OrderStop]));
    }
}

impl PaymentHost {
    fn start(&self, sim: &Arc<Simulation>, number: usize) -> Arc<Process> {
        let process = Process::start(format!("payment {number}"));
        let context =
            InstanceContext { sim: sim.clone(), process: process.clone(), crash: Fault::PaymentCrashInCall };
        let clock = self.clock(sim);
        let limits = format!("USD:{CREDIT_LIMIT_MAJOR},KWD:{CREDIT_LIMIT_MAJOR}");
        let credit_limits: CreditLimits = limits.parse().unwrap();
        let application = payment::application::Application {
            ledger: Arc::new(FaultyLedger(context.clone())),
            clock: clock.clone(),
            ids: Arc::new(IdSource::new(context, clock)),
            credit_limits: Arc::new(credit_limits),
        };
        sim.log(format_args!("{} starts", process.name));
        *self.instance.lock().unwrap() = Some((application, process.clone()));
        process
    }

    /// Runs an instance again and again, until the run ends.
    pub(crate) async fn run(sim: Arc<Simulation>, number: usize) {
        let host = &sim.payment_hosts[number];
        let restart = async {
            loop {
                host.start(&sim, number).ended().await;
                let down = sim.ms(50..=DOWN_MS_MAX);
                sim.sleep_until_healed(down).await;
            }
        };
        tokio::join!(restart, host.cause_faults(&sim, [Fault::PaymentCrash, Fault::PaymentStop]));
    }

    /// Runs a call to its end, even where its caller was dropped. `None` where the instance is down or is
    /// killed.
    pub(crate) async fn serve<T: Send + 'static>(
        &self,
        sim: &Arc<Simulation>,
        call: &(dyn Fn(payment::application::Application) -> Pin<Box<dyn Future<Output = T> + Send>> + Sync),
    ) -> Option<T> {
        let (application, process) = self.running()?;
        process.spawn(sim.reporting_panics(call(application))).await.ok()
    }
}

/// Cuts the link from an Order to a Payment now and then, until the faults end.
pub(crate) async fn cut_links(sim: Arc<Simulation>) {
    while !sim.is_healed() {
        let pause = sim.ms(500..=3_000);
        sim.sleep_until_healed(pause).await;
        let rate = sim.plan.rates.of(Fault::Partition);
        if sim.chance_per_mille(rate) {
            let order = sim.index(sim.order_hosts.len());
            let payment = sim.index(sim.payment_hosts.len());
            let until = sim.now() + sim.ms(500..=10_000);
            sim.log(format_args!("the link from order {order} to payment {payment} is cut until {until:?}"));
            sim.partitions.cut(order, payment, until);
        }
    }
}

/// Causes the outage of the plan.
pub(crate) async fn cause_outage(sim: Arc<Simulation>) {
    if sim.plan.outage == Outage::None {
        return;
    }
    sleep(sim.plan.outage_starts()).await;
    sim.log(format_args!("{:?} starts", sim.plan.outage));
    for (number, host) in sim.order_hosts.iter().enumerate() {
        if sim.plan.outage == Outage::AllOrdersDown
            && let Some((_, process)) = host.running()
        {
            process.kill();
        }
        for payment in 0..sim.payment_hosts.len() {
            sim.partitions.cut(number, payment, sim.plan.outage_ends() + Duration::from_secs(20));
        }
    }
}
