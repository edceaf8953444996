//! The world on the other side of the ports, in memory and under a test's control.

mod orders;

pub(crate) use orders::FakeOrders;
