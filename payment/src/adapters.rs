//! The world on the other side of the ports: who calls, where accounts and payments are kept, what time it is.

pub mod db;
#[cfg(feature = "fault-injection")]
pub(crate) mod fault_injection;
pub mod grpc;
pub mod metrics;
pub mod runtime;
