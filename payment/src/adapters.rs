//! The world on the other side of the ports: who calls, where accounts and payments are kept, what time it is.

pub mod counted;
pub mod db;
#[cfg(feature = "fail-points")]
pub(crate) mod failing;
pub mod grpc;
pub mod system;
