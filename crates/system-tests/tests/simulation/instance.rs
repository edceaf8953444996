//! The clock, ids, tasks and monitor of an instance.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use order::{
    domain::{Backlog, IdempotencyKey, OrderId, Status},
    ports::{Monitor, PlacementOutcome, RecoveryOutcome, Spawn, Task},
};
use payment::{
    domain::{BillId, ChangeId, PaymentId},
    ports::IdGenerator,
};
use tokio::time::{Instant, sleep};

use crate::{faults::Fault, simulation::Simulation, store_calls::InstanceContext};

/// 2026-11-23T06:00:00Z, the start of every run.
const EPOCH_MS: i64 = 1_795_413_600_000;
/// The epoch of ids: 2026-01-01.
const IDS_EPOCH_MS: i64 = 1_767_225_600_000;
/// The random bits of an id, below its milliseconds.
const RANDOM_BITS: u32 = 12;

/// The clocks of an instance. The wall clock jumps; the monotonic clock does not.
pub(crate) struct Clock {
    pub(crate) sim: Arc<Simulation>,
    pub(crate) started: Instant,
    /// The error of the wall clock.
    pub(crate) offset_ms: Arc<AtomicI64>,
}

impl Clock {
    fn wall_ms(&self) -> i64 {
        let since = i64::try_from(self.sim.now().as_millis()).unwrap();
        EPOCH_MS + since + self.offset_ms.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl order::ports::Clock for Clock {
    fn now_ms(&self) -> i64 {
        self.wall_ms()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }
}

impl payment::ports::Clock for Clock {
    fn now_ms(&self) -> i64 {
        self.wall_ms()
    }
}

/// The kinds of ids.
const ORDERS: usize = 0;
const PAYMENTS: usize = 1;
const BILLS: usize = 2;

/// The last id that any instance generated, by kind.
#[derive(Debug, Default)]
pub(crate) struct LastIds([AtomicI64; 3]);

/// The id generator of an instance, like `service_kit::ids`, with collisions between instances.
pub(crate) struct IdSource {
    context: InstanceContext,
    clock: Arc<Clock>,
    /// The last id of this instance, by kind.
    last: Mutex<[i64; 3]>,
}

impl IdSource {
    pub(crate) fn new(context: InstanceContext, clock: Arc<Clock>) -> Self {
        Self { context, clock, last: Mutex::default() }
    }

    fn generate(&self, kind: usize) -> i64 {
        let InstanceContext { sim, .. } = &self.context;
        let (mut own, shared) = (self.last.lock().unwrap(), &sim.last_ids.0[kind]);
        let of_another = shared.load(Ordering::Relaxed);
        let id = if of_another > own[kind] && sim.draw_fault(Fault::IdRepeated) {
            of_another
        } else {
            let low = sim.in_range(0..=(1 << RANDOM_BITS) - 1);
            let ms = self.clock.wall_ms() - IDS_EPOCH_MS;
            ((ms << RANDOM_BITS) + i64::try_from(low).unwrap()).max(own[kind] + 1)
        };
        if kind == ORDERS && !sim.record().order_ids.insert(id) {
            sim.record().repeated_ids.insert(id);
        }
        own[kind] = id;
        shared.store(id, Ordering::Relaxed);
        id
    }
}

impl order::ports::IdGenerator for IdSource {
    fn order_id(&self) -> OrderId {
        OrderId::new(self.generate(ORDERS)).unwrap()
    }

    fn key(&self) -> IdempotencyKey {
        let number = self.context.sim.in_range(0..=u64::MAX - 1);
        IdempotencyKey::new(format!("random-{number:016x}")).unwrap()
    }

    fn jittered(&self, max: Duration) -> Duration {
        let ms = u64::try_from(max.as_millis()).unwrap();
        self.context.sim.ms(ms / 2..=ms)
    }
}

impl IdGenerator for IdSource {
    fn payment_id(&self) -> PaymentId {
        PaymentId::new(self.generate(PAYMENTS)).unwrap()
    }

    fn bill_id(&self) -> BillId {
        BillId::new(self.generate(BILLS)).unwrap()
    }

    fn change_id(&self) -> ChangeId {
        unreachable!("no operator is simulated")
    }
}

/// Tasks that are aborted with their process.
pub(crate) struct Tasks(pub(crate) InstanceContext);

impl Spawn for Tasks {
    fn spawn(&self, task: Task) {
        drop(self.0.process.spawn(self.0.sim.reporting_panics(task)));
    }
}

/// Reports events that must never happen.
pub(crate) struct ViolationMonitor(pub(crate) InstanceContext);

impl Monitor for ViolationMonitor {
    fn record_placement(&self, _: PlacementOutcome) {}

    fn record_recovery(&self, _: RecoveryOutcome) {}

    fn record_mismatch(&self, order: OrderId) {
        let sim = &self.0.sim;
        if !sim.record().charged_by_others.contains(&order) {
            sim.report_violation(format!("mismatch of {order}, which no other caller charged"));
        }
    }

    fn record_conflict(&self, order: OrderId, recorded: Status, received: Status) {
        self.0.sim.report_violation(format!("{order} is {recorded:?}, and Payment returned {received:?}"));
    }

    fn record_backlog(&self, _: &Backlog) {}
}
