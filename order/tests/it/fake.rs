//! The world on the other side of the ports, in memory and under a test's control.

mod orders;
mod payments;
mod prices;
mod store;
mod system;

pub(crate) use orders::FakeOrders;
pub(crate) use payments::{Charge, FakePayments};
pub(crate) use prices::{FakePrices, Reading};
pub(crate) use store::{Fault, Op, Store};
pub(crate) use system::{Alarm, FakeClock, FakeMint, FakeMonitor};
