//! Adapters of the ports: gRPC server, databases, metrics, clock and ids.

pub mod db;
#[cfg(feature = "fault-injection")]
pub(crate) mod fault_injection;
pub mod grpc;
pub mod metrics;
pub mod runtime;
