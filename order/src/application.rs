//! The use cases: placing an order, recovering one that was left PENDING, and reading orders.

mod outcome;
mod place;
mod price;
mod read;
mod reconcile;
mod replay;
mod request_phase;
mod saga;
mod settle;

use std::{sync::Arc, time::Duration};

use crate::ports::{Clock, IdGenerator, Monitor, Orders, Payments, PriceList, Spawn};

pub use outcome::{PlaceError, Placed};
pub use read::{ITEMS_PER_PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, ReadError};
pub use reconcile::{CLAIM_LEASE_MAX, CONCURRENCY_MAX, MISMATCH_LEASE_MAX, RECOVERY_CALL_MAX, VOID_AFTER};

/// A response leaves this long before the client's deadline, so that one with an order id arrives in time.
pub const RESPONSE_MARGIN: Duration = Duration::from_millis(500);
/// The least time beyond [`RESPONSE_MARGIN`] for which a request is started.
pub const WORK_MIN: Duration = Duration::from_millis(100);
/// The longest that one task works on an order, whatever the client's deadline: enough for any deadline of
/// the gateway (30 s), and less than graceful shutdown waits (35 s).
pub const ORDER_TASK_MAX: Duration = Duration::from_secs(30);
/// The longest that a charge may take, counted from the start of the request; less if the client's deadline
/// is earlier. The rest of [`ORDER_TASK_MAX`] is for settling, since a write may wait 5 s for its turn at the
/// store.
pub const CHARGE_MAX: Duration = Duration::from_secs(25);
/// How often a request reads whether another request with its key has ended.
const IN_PROGRESS_POLL: Duration = Duration::from_millis(50);
/// How often settling is tried while the store fails, and the pause between tries.
const SETTLE_TRIES_MAX: usize = 20;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// How many ids are tried for an order. Two instances generate the same id within a millisecond about once in
/// 2,000 times.
const ID_ATTEMPTS_MAX: usize = 8;

/// The use cases over a set of ports. A clone shares the ports.
#[derive(Clone)]
pub struct Application {
    /// The store of orders.
    pub orders: Arc<dyn Orders>,
    /// The price list; `None` if requests name every price, which is then charged as it is.
    pub price_list: Option<Arc<dyn PriceList>>,
    /// The Payment service.
    pub payments: Arc<dyn Payments>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and randomness.
    pub ids: Arc<dyn IdGenerator>,
    /// Spawns tasks that must not be cancelled.
    pub tasks: Arc<dyn Spawn>,
    /// Metrics and logs.
    pub monitor: Arc<dyn Monitor>,
}
