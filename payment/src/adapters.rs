//! The world on the other side of the ports: who calls, where accounts and payments are kept, what time it is.

pub mod db;
pub mod grpc;
pub mod system;
