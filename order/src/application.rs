//! In what order things happen: placing an order, settling one that was left, and reading orders back.

mod place;
mod price;
mod progress;
mod read;
mod reconcile;
mod repeat;
mod settle;

use std::{sync::Arc, time::Duration};

use crate::ports::{Clock, Mint, Monitor, Orders, Payments, PriceList, Spawn};

pub use place::{PlaceError, Placed};
pub use read::{ITEMS_PER_PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, ReadError};
pub use reconcile::{CONCURRENCY_MAX, MISMATCH_RECHECK_MAX, RECHARGE_MAX, RECHECK_MAX, VOID_AFTER};

/// How long before the caller's deadline it is answered, so that an answer that names the order arrives.
pub const ANSWER_MARGIN: Duration = Duration::from_millis(500);
/// The least time that is worth starting with, beyond [`ANSWER_MARGIN`].
pub const WORK_MIN: Duration = Duration::from_millis(100);
/// How long one driver works on an order at most, whatever its caller's deadline: long enough for any deadline
/// of the gateway (30 s), shorter than a stopping process waits (35 s).
pub const DRIVE_MAX: Duration = Duration::from_secs(30);
/// How long a charge may take at most, counted from the request; less where the caller's time ends before. What is
/// left of [`DRIVE_MAX`] is for settling: a writer's turn at the store may be 5 s away.
pub const CHARGE_MAX: Duration = Duration::from_secs(25);
/// How often a request looks whether the first one with its key has ended.
const IN_PROGRESS_POLL: Duration = Duration::from_millis(50);
/// How often a store that fails is asked to settle an order, and how long each time is waited before.
const SETTLE_TRIES_MAX: usize = 20;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// How often an id is drawn before giving up: two instances draw the same one about once in 2,000 tries
/// within a millisecond.
const ID_DRAWS_MAX: usize = 8;

/// The service's use cases, over whatever ports it is given. A clone is the same application.
#[derive(Clone)]
pub struct Application {
    /// Where orders are kept.
    pub orders: Arc<dyn Orders>,
    /// Who knows what products cost; `None` where the caller names every price, and that is the price.
    pub price_list: Option<Arc<dyn PriceList>>,
    /// Who charges customers.
    pub payments: Arc<dyn Payments>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub mint: Arc<dyn Mint>,
    /// Where tasks run that must not be cut in half.
    pub tasks: Arc<dyn Spawn>,
    /// Who is told what must never happen.
    pub monitor: Arc<dyn Monitor>,
}
