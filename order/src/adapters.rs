//! Implementations of the ports, and the gRPC server in front of the application.

pub mod db;
#[cfg(feature = "fault-injection")]
pub(crate) mod fault_injection;
pub mod grpc;
pub mod monitor;
pub mod payment;
pub mod price_file;
pub mod runtime;
