//! Placing an order over fakes, in paused time: what the caller is told, and what is kept.

mod deadlines;
mod doubts;
mod gone;
mod outcomes;
mod priced;
mod replays;
mod settling;

use std::{sync::Arc, time::Duration};

use order::{
    adapters::system::TrackedTasks,
    application::{Application, PlaceError, Placed},
    domain::{Draft, Order, OrderId, Status},
};
use tokio::task::JoinHandle;

use crate::{
    fake::{FakeClock, FakeMint, FakeMonitor, FakePayments, Store},
    samples::{always, draft, id, key, user},
};

/// What a caller gives whose deadline is not what a test is about.
const BUDGET: Duration = Duration::from_secs(10);

/// An application and the world around it.
pub(crate) struct World {
    pub(crate) application: Application,
    pub(crate) store: Arc<Store>,
    pub(crate) payments: Arc<FakePayments>,
    pub(crate) monitor: Arc<FakeMonitor>,
    mint: Arc<FakeMint>,
    tasks: TrackedTasks,
}

impl World {
    pub(crate) fn new() -> Self {
        let (store, payments) = (Arc::new(Store::default()), Arc::new(FakePayments::default()));
        let (mint, tasks) = (Arc::new(FakeMint::default()), TrackedTasks::default());
        let monitor = Arc::new(FakeMonitor::default());
        let application = Application {
            orders: store.clone(),
            price_list: None,
            payments: payments.clone(),
            clock: Arc::new(FakeClock::default()),
            mint: mint.clone(),
            tasks: Arc::new(tasks.clone()),
            monitor: monitor.clone(),
        };
        Self { application, store, payments, monitor, mint, tasks }
    }

    /// One order of user 1, of 12 cents, with the key `k`.
    async fn place(&self) -> Result<Placed, PlaceError> {
        self.place_within(BUDGET).await
    }

    async fn place_within(&self, budget: Duration) -> Result<Placed, PlaceError> {
        self.application.place_order(wanted(), Some(key("k")), budget).await
    }

    /// The same in a task, which may be aborted as a caller may go away.
    fn spawn_place(&self, budget: Duration) -> JoinHandle<Result<Placed, PlaceError>> {
        let application = self.application.clone();
        tokio::spawn(async move { application.place_order(wanted(), Some(key("k")), budget).await })
    }

    /// Returns once no order is being worked on any more.
    async fn drained(&self) {
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
    }

    /// The only order there is.
    pub(crate) fn only(&self) -> Order {
        let [order] = self.store.kept.all().try_into().unwrap();
        order
    }

    pub(crate) fn only_status(&self) -> (OrderId, Status) {
        let order = self.only();
        (order.id, order.status)
    }

    /// Which orders were charged, each once.
    fn charged(&self) -> Vec<OrderId> {
        self.payments.charged().into_keys().collect()
    }

    /// An order of user 1 and key `k`, as an earlier request left it.
    pub(crate) async fn with_earlier(status: Status) -> (Self, Order) {
        use order::ports::{Mint, Orders};
        let world = Self::new();
        let mut earlier = crate::samples::order(world.mint.order_id(), user(1), key("k"));
        earlier.status = status;
        earlier.decline = (status == Status::Declined).then(crate::samples::decline);
        world.store.kept.insert(&earlier, always()).await.unwrap();
        (world, earlier)
    }
}

fn wanted() -> Draft {
    draft(user(1), 12)
}

fn unknown(order: i64) -> Result<Placed, PlaceError> {
    Err(PlaceError::OutcomeUnknown { order: id(order) })
}

fn not_started(answer: &Result<Placed, PlaceError>) -> bool {
    matches!(answer, Err(PlaceError::NotStarted(_)))
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
