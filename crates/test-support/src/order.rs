//! Fakes of Order's ports, and sample orders.
//!
//! [`FakeOrders`] and [`FakePrices`] pass the same contract tests as the adapters on databases
//! (`order/tests/stores`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fake fails its test by panicking")]

mod faulty_orders;
mod orders;
mod payments;
mod prices;
mod runtime;
mod samples;

pub use faulty_orders::{FaultyOrders, StoreCall, StoreFault};
pub use orders::FakeOrders;
pub use payments::{Call, Charge, FakePayments};
pub use prices::{FakePrices, ListFault};
pub use runtime::{Alarm, FakeClock, FakeIdGenerator, FakeMonitor};
pub use samples::{
    NOW_MS, always, code, command, command_of, decline, dollars, draft, id, item, items, key, order,
    order_of, user,
};
