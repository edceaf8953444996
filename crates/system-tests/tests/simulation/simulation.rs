//! The state that all parts of a run share.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use order::domain::OrderId;
use system_tests::rng::Rng;
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    client_requests::{Request, RequestOutcome},
    counters::Counters,
    event_log::EventLog,
    faults::Fault,
    hosts::{OrderHost, PaymentHost},
    instance::LastIds,
    network::Partitions,
    plan::{OrderIntent, Plan},
    state_history::{RecordedOrders, RecordedPayments},
};

/// One run.
pub(crate) struct Simulation {
    pub(crate) plan: Plan,
    pub(crate) orders: RecordedOrders,
    pub(crate) payments: RecordedPayments,
    pub(crate) order_hosts: Vec<OrderHost>,
    pub(crate) payment_hosts: Vec<PaymentHost>,
    pub(crate) partitions: Partitions,
    pub(crate) last_ids: LastIds,
    /// Commits that happen even where their caller was killed.
    pub(crate) commits: TaskTracker,
    /// Calls of Payment that arrive even where their caller was killed.
    pub(crate) calls: TaskTracker,
    /// Cancelled when the faults end.
    pub(crate) healed: CancellationToken,
    started: Instant,
    rng: Mutex<Rng>,
    record: Mutex<Record>,
}

/// The record of a run.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) events: EventLog,
    pub(crate) counters: Counters,
    pub(crate) requests: Vec<Request>,
    /// The ids that instances generated for orders, and those that were generated more than once.
    pub(crate) order_ids: BTreeSet<i64>,
    pub(crate) repeated_ids: BTreeSet<i64>,
    /// Orders that another caller charged, or was about to charge.
    pub(crate) charged_by_others: BTreeSet<OrderId>,
    /// Intents that were retried to the end, without a final outcome.
    pub(crate) without_final_outcome: Vec<OrderIntent>,
    pub(crate) violations: Vec<String>,
}

impl Simulation {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        Arc::new(Self {
            orders: RecordedOrders::default(),
            payments: RecordedPayments::default(),
            order_hosts: (0..plan.order_instances).map(|_| OrderHost::default()).collect(),
            payment_hosts: (0..plan.payment_instances).map(|_| PaymentHost::default()).collect(),
            partitions: Partitions::default(),
            last_ids: LastIds::default(),
            commits: TaskTracker::new(),
            calls: TaskTracker::new(),
            healed: CancellationToken::new(),
            started: Instant::now(),
            rng: Mutex::new(rng),
            record: Mutex::default(),
            plan,
        })
    }

    /// Time since the start of the run.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.lock().unwrap()
    }

    pub(crate) fn ms(&self, range: RangeInclusive<u64>) -> Duration {
        self.rng().ms(range)
    }

    pub(crate) fn in_range(&self, range: RangeInclusive<u64>) -> u64 {
        self.rng().in_range(range)
    }

    pub(crate) fn chance_per_mille(&self, per_mille: u64) -> bool {
        self.rng().chance_per_mille(per_mille)
    }

    pub(crate) fn index(&self, count: usize) -> usize {
        self.rng().index(count)
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }

    pub(crate) fn log(&self, event: fmt::Arguments<'_>) {
        let now = self.now();
        self.record().events.write(now, event);
    }

    pub(crate) fn report_violation(&self, violation: String) {
        self.log(format_args!("VIOLATION: {violation}"));
        self.record().violations.push(violation);
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.healed.is_cancelled()
    }

    /// Draws whether this kind of fault happens now, and counts it.
    pub(crate) fn draw_fault(&self, fault: Fault) -> bool {
        let rate = self.plan.rates.of(fault);
        let happens = rate > 0 && !self.is_healed() && self.rng().chance_per_mille(rate);
        if happens {
            self.count(fault);
        }
        happens
    }

    pub(crate) fn count(&self, fault: Fault) {
        self.record().counters.count_fault(fault);
        self.log(format_args!("! {fault:?}"));
    }

    /// Sleeps, at most until the faults end.
    pub(crate) async fn sleep_until_healed(&self, time: Duration) {
        tokio::select! {
            biased;
            () = self.healed.cancelled() => {}
            () = sleep(time) => {}
        }
    }

    /// Records a request; returns its index.
    pub(crate) fn record_request(&self, request: Request) -> usize {
        let mut record = self.record();
        record.counters.requests += 1;
        record.requests.push(request);
        record.requests.len() - 1
    }

    pub(crate) fn record_outcome(&self, request: usize, outcome: RequestOutcome) {
        self.log(format_args!("request {request}: {outcome:?}"));
        let now = self.now();
        let mut record = self.record();
        record.counters.count_outcome(&outcome);
        record.requests[request].outcome = Some((now, outcome));
    }

    /// Reports a violation where the task panics.
    pub(crate) fn reporting_panics<F: Future + Send>(
        self: &Arc<Self>,
        task: F,
    ) -> impl Future<Output = F::Output> + Send + use<F> {
        let watch = PanicWatch(self.clone());
        async move {
            let _watch = watch;
            task.await
        }
    }
}

/// Reports a violation when it is dropped by a panic.
struct PanicWatch(Arc<Simulation>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if thread::panicking() {
            let record = self.0.record.lock();
            record.unwrap_or_else(PoisonError::into_inner).violations.push("a task panicked".to_owned());
        }
    }
}
