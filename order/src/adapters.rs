//! The world on the other side of the ports: who calls, whom this service calls, where orders are kept.

pub mod db;
#[cfg(feature = "fault-injection")]
pub(crate) mod fault_injection;
pub mod grpc;
pub mod monitor;
pub mod payment;
pub mod price_file;
pub mod system;
