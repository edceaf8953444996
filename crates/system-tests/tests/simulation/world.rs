//! What all of a run shares: its randomness, its journal, its weather, its stores, and the record of it.

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
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    faults::Fault,
    hosts::{OrderHost, PaymentHost},
    journal::Journal,
    kept::{KeptOrders, KeptPayments},
    network::Partitions,
    plan::{Plan, Wish},
    random::Random,
    requests::{Request, Told},
    system::LastIds,
    tally::Tally,
};

/// One run's world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) orders: KeptOrders,
    pub(crate) payments: KeptPayments,
    pub(crate) order_hosts: Vec<OrderHost>,
    pub(crate) payment_hosts: Vec<PaymentHost>,
    pub(crate) partitions: Partitions,
    pub(crate) last_ids: LastIds,
    /// Commits that land whatever becomes of who asked for them.
    pub(crate) commits: TaskTracker,
    /// Calls of Payment that arrive whatever becomes of who made them.
    pub(crate) calls: TaskTracker,
    /// Cancelled when nothing goes wrong any more.
    pub(crate) healed: CancellationToken,
    began: Instant,
    random: Mutex<Random>,
    record: Mutex<Record>,
}

/// What is known of a run afterwards.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) journal: Journal,
    pub(crate) tally: Tally,
    pub(crate) requests: Vec<Request>,
    /// The ids that were drawn for orders, and those that were drawn more than once.
    pub(crate) order_ids: BTreeSet<i64>,
    pub(crate) repeated: BTreeSet<i64>,
    /// Orders that a stray caller charged, or set out to.
    pub(crate) touched: BTreeSet<OrderId>,
    /// What customers wished for to the end, without a final answer.
    pub(crate) unanswered: Vec<Wish>,
    pub(crate) violations: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let mut random = Random::new(seed);
        let plan = Plan::drawn(&mut random);
        Arc::new(Self {
            orders: KeptOrders::default(),
            payments: KeptPayments::default(),
            order_hosts: (0..plan.order_instances).map(|_| OrderHost::default()).collect(),
            payment_hosts: (0..plan.payment_instances).map(|_| PaymentHost::default()).collect(),
            partitions: Partitions::default(),
            last_ids: LastIds::default(),
            commits: TaskTracker::new(),
            calls: TaskTracker::new(),
            healed: CancellationToken::new(),
            began: Instant::now(),
            random: Mutex::new(random),
            record: Mutex::default(),
            plan,
        })
    }

    /// Time since the run began.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap()
    }

    /// So many milliseconds.
    pub(crate) fn ms(&self, range: RangeInclusive<u64>) -> Duration {
        self.random().ms(range)
    }

    pub(crate) fn within(&self, range: RangeInclusive<u64>) -> u64 {
        self.random().within(range)
    }

    /// True so many times in a thousand.
    pub(crate) fn chance(&self, per_mille: u64) -> bool {
        self.random().chance(per_mille)
    }

    pub(crate) fn index(&self, count: usize) -> usize {
        self.random().index(count)
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }

    pub(crate) fn log(&self, what: fmt::Arguments<'_>) {
        let now = self.now();
        self.record().journal.write(now, what);
    }

    /// Records that a promise was broken.
    pub(crate) fn violated(&self, what: String) {
        self.log(format_args!("VIOLATED: {what}"));
        self.record().violations.push(what);
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.healed.is_cancelled()
    }

    /// Whether this kind of fault strikes now.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        let rate = self.plan.rates.of(fault);
        let strikes = rate > 0 && !self.is_healed() && self.random().chance(rate);
        if strikes {
            self.count(fault);
        }
        strikes
    }

    pub(crate) fn count(&self, fault: Fault) {
        self.record().tally.fault(fault);
        self.log(format_args!("! {fault:?}"));
    }

    /// Waits so long, or until all is well.
    pub(crate) async fn sleep_in_chaos(&self, time: Duration) {
        tokio::select! {
            biased;
            () = self.healed.cancelled() => {}
            () = sleep(time) => {}
        }
    }

    /// Puts a request on record, and returns its place there.
    pub(crate) fn sent(&self, request: Request) -> usize {
        let mut record = self.record();
        record.tally.requests += 1;
        record.requests.push(request);
        record.requests.len() - 1
    }

    pub(crate) fn told(&self, request: usize, told: Told) {
        self.log(format_args!("request {request} is told {told:?}"));
        let now = self.now();
        let mut record = self.record();
        record.tally.told(&told);
        record.requests[request].told = Some((now, told));
    }

    /// A task of nobody's process; what panics breaks a promise.
    pub(crate) fn watched<F: Future + Send>(
        self: &Arc<Self>,
        task: F,
    ) -> impl Future<Output = F::Output> + Send + use<F> {
        let watch = Watch(self.clone());
        async move {
            let _watch = watch;
            task.await
        }
    }
}

/// Notices when the task that holds it panics.
struct Watch(Arc<World>);

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            let record = self.0.record.lock();
            record.unwrap_or_else(PoisonError::into_inner).violations.push("a task panicked".to_owned());
        }
    }
}
