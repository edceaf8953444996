//! The use cases: placing an order, recovering one that was left PENDING, and reading orders.

mod leases;
mod outcome;
mod place;
mod price;
mod read;
mod reconcile;
mod replay;
mod request_phase;
mod resolve;
mod saga;
mod settle;
mod waiters;

use std::{sync::Arc, time::Duration};

use crate::ports::{Clock, IdGenerator, Monitor, Orders, Payments, PriceList, Spawn};

pub use leases::Leases;
pub use outcome::{PlaceError, Placed};
pub use read::{ITEMS_PER_PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, ReadError};
pub use reconcile::{CLAIM_LEASE_MAX, CONCURRENCY_MAX, MISMATCH_LEASE_MAX, RECOVERY_CALL_MAX, VOID_AFTER};
pub use resolve::{Examination, MismatchService, QUERY_MAX, ResolveError};
pub use waiters::Waiters;

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
/// The first pause between two reads whether another request with the same key has ended. It doubles up to
/// [`IN_PROGRESS_POLL_MAX`].
const IN_PROGRESS_POLL: Duration = Duration::from_millis(50);
const IN_PROGRESS_POLL_MAX: Duration = Duration::from_millis(500);
/// How often settling is tried while the store fails, and the pause between tries.
const SETTLE_TRIES_MAX: usize = 20;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// The pause after a failure of the store while an INSERT is in doubt.
const IN_DOUBT_PAUSE: Duration = Duration::from_millis(200);
/// How many INSERTs are tried for an order, and thus how many ids. Two instances generate the same id within a millisecond about once in
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
    /// The requests that wait for orders of other tasks.
    pub waiters: Waiters,
    /// The leases of the orders that the tasks of this instance work on.
    pub leases: Leases,
}
