//! Time, ids, tasks and alarms of an instance.

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

use crate::{faults::Fault, store::Site, world::World};

/// 2026-11-23T06:00:00Z, when every run begins.
const EPOCH_MS: i64 = 1_795_413_600_000;
/// When the time of ids begins: 2026-01-01.
const IDS_EPOCH_MS: i64 = 1_767_225_600_000;
/// Bits of an id below its milliseconds.
const RANDOM_BITS: u32 = 12;

/// An instance's clocks. The wall clock is set by whoever likes to; the other goes on.
pub(crate) struct Clock {
    pub(crate) world: Arc<World>,
    pub(crate) started: Instant,
    /// How wrong the wall clock is.
    pub(crate) offset_ms: Arc<AtomicI64>,
}

impl Clock {
    fn wall_ms(&self) -> i64 {
        let since = i64::try_from(self.world.now().as_millis()).unwrap();
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

/// Kinds of ids.
const ORDERS: usize = 0;
const PAYMENTS: usize = 1;
const BILLS: usize = 2;

/// The id that any instance drew last, by kind.
#[derive(Debug, Default)]
pub(crate) struct LastIds([AtomicI64; 3]);

/// The ids of an instance, as `service_kit::ids` makes them, but that another one sooner draws the same.
pub(crate) struct Minter {
    site: Site,
    clock: Arc<Clock>,
    /// What it drew last, by kind.
    last: Mutex<[i64; 3]>,
}

impl Minter {
    pub(crate) fn new(site: Site, clock: Arc<Clock>) -> Self {
        Self { site, clock, last: Mutex::default() }
    }

    fn mint(&self, kind: usize) -> i64 {
        let Site { world, .. } = &self.site;
        let (mut own, shared) = (self.last.lock().unwrap(), &world.last_ids.0[kind]);
        let drawn_by_another = shared.load(Ordering::Relaxed);
        let id = if drawn_by_another > own[kind] && world.strikes(Fault::IdRepeated) {
            drawn_by_another
        } else {
            let low = world.within(0..=(1 << RANDOM_BITS) - 1);
            let ms = self.clock.wall_ms() - IDS_EPOCH_MS;
            ((ms << RANDOM_BITS) + i64::try_from(low).unwrap()).max(own[kind] + 1)
        };
        if kind == ORDERS && !world.record().order_ids.insert(id) {
            world.record().repeated.insert(id);
        }
        own[kind] = id;
        shared.store(id, Ordering::Relaxed);
        id
    }
}

impl order::ports::IdGenerator for Minter {
    fn order_id(&self) -> OrderId {
        OrderId::new(self.mint(ORDERS)).unwrap()
    }

    fn key(&self) -> IdempotencyKey {
        let drawn = self.site.world.within(0..=u64::MAX - 1);
        IdempotencyKey::new(format!("minted-{drawn:016x}")).unwrap()
    }

    fn jittered(&self, max: Duration) -> Duration {
        let ms = u64::try_from(max.as_millis()).unwrap();
        self.site.world.ms(ms / 2..=ms)
    }
}

impl IdGenerator for Minter {
    fn payment_id(&self) -> PaymentId {
        PaymentId::new(self.mint(PAYMENTS)).unwrap()
    }

    fn bill_id(&self) -> BillId {
        BillId::new(self.mint(BILLS)).unwrap()
    }

    fn change_id(&self) -> ChangeId {
        unreachable!("no operator is simulated")
    }
}

/// Tasks that end with their process.
pub(crate) struct Tasks(pub(crate) Site);

impl Spawn for Tasks {
    fn spawn(&self, task: Task) {
        drop(self.0.process.spawn(self.0.world.watched(task)));
    }
}

/// Notices what must never happen.
pub(crate) struct Alarms(pub(crate) Site);

impl Monitor for Alarms {
    fn record_placement(&self, _: PlacementOutcome) {}

    fn record_recovery(&self, _: RecoveryOutcome) {}

    fn record_mismatch(&self, order: OrderId) {
        let world = &self.0.world;
        if !world.record().touched.contains(&order) {
            world.violated(format!("mismatch of {order}, which nobody else charged"));
        }
    }

    fn record_conflict(&self, order: OrderId, recorded: Status, answered: Status) {
        self.0.world.violated(format!("{order} is recorded as {recorded:?}, and Payment says {answered:?}"));
    }

    fn record_backlog(&self, _: &Backlog) {}
}
