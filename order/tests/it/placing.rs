//! Placing an order over fakes, in paused time: the result, the stored order and the calls of Payment.

mod client_disconnect;
mod deadlines;
mod in_doubt_insert;
mod outcomes;
mod pricing;
mod replays;
mod settling;

use std::{sync::Arc, time::Duration};

use order::{
    adapters::runtime::TrackedTasks,
    application::{Application, Leases, PlaceError, Placed, Waiters},
    domain::{CreateOrder, Order, OrderId, Status},
};
use tokio::task::JoinHandle;

use test_support::order::{
    FakeClock, FakeIdGenerator, FakeMonitor, FakePayments, FaultyOrders, always, command, id, key, user,
};

/// The time of a request in tests that are not about deadlines.
const TIME_LEFT: Duration = Duration::from_secs(10);

/// An application over fakes.
pub(crate) struct Fixture {
    pub(crate) application: Application,
    pub(crate) store: Arc<FaultyOrders>,
    pub(crate) payments: Arc<FakePayments>,
    pub(crate) monitor: Arc<FakeMonitor>,
    ids: Arc<FakeIdGenerator>,
    tasks: TrackedTasks,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let (store, payments) = (Arc::new(FaultyOrders::default()), Arc::new(FakePayments::default()));
        let (ids, tasks) = (Arc::new(FakeIdGenerator::default()), TrackedTasks::default());
        let monitor = Arc::new(FakeMonitor::default());
        let application = Application {
            orders: store.clone(),
            price_list: None,
            payments: payments.clone(),
            clock: Arc::new(FakeClock::default()),
            ids: ids.clone(),
            tasks: Arc::new(tasks.clone()),
            monitor: monitor.clone(),
            waiters: Waiters::default(),
            leases: Leases::default(),
        };
        Self { application, store, payments, monitor, ids, tasks }
    }

    /// Places an order of user 1 for 12 cents with the key `k`.
    async fn place(&self) -> Result<Placed, PlaceError> {
        self.place_with_time_left(TIME_LEFT).await
    }

    async fn place_with_time_left(&self, time_left: Duration) -> Result<Placed, PlaceError> {
        self.application.place_order(sample_command(), Some(key("k")), time_left).await
    }

    /// The same in a task, whose abort simulates a client that disconnects.
    pub(crate) fn spawn_place(&self, time_left: Duration) -> JoinHandle<Result<Placed, PlaceError>> {
        let application = self.application.clone();
        tokio::spawn(
            async move { application.place_order(sample_command(), Some(key("k")), time_left).await },
        )
    }

    /// Returns once every task has ended.
    async fn drained(&self) {
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
    }

    /// The only order in the store.
    pub(crate) fn only(&self) -> Order {
        let [order] = self.store.inner.all().try_into().unwrap();
        order
    }

    pub(crate) fn only_status(&self) -> (OrderId, Status) {
        let order = self.only();
        (order.id, order.status)
    }

    /// The orders that were charged.
    fn charged(&self) -> Vec<OrderId> {
        self.payments.charged().into_keys().collect()
    }

    /// A fixture with an order of user 1 and key `k` that an earlier request left with this status.
    pub(crate) async fn with_earlier(status: Status) -> (Self, Order) {
        use order::ports::{IdGenerator, Orders};
        let fixture = Self::new();
        let mut earlier = test_support::order::order(fixture.ids.order_id(), user(1), key("k"));
        earlier.status = status;
        earlier.decline = (status == Status::Declined).then(test_support::order::decline);
        fixture.store.inner.insert(&earlier, always()).await.unwrap();
        (fixture, earlier)
    }
}

fn sample_command() -> CreateOrder {
    command(user(1), 12)
}

fn unknown(order: i64) -> Result<Placed, PlaceError> {
    Err(PlaceError::OutcomeUnknown { order: id(order) })
}

fn is_not_started(result: &Result<Placed, PlaceError>) -> bool {
    matches!(result, Err(PlaceError::NotStarted(_)))
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
