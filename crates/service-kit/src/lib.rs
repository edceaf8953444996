//! What any process of the system needs before its first request, and nothing of its business.
//!
//! - [`mod@env`]: configuration from environment variables, every fault named at once
//! - [`cli`]: the commands of every service, and the parser of command lines
//! - [`process`]: from configuration to exit code: runtime, telemetry, signals, sockets
//! - [`telemetry`]: logs, readable or as JSON lines
//! - [`tls`]: certificates of calls between services, and when plain text will do
//! - [`trace`]: W3C trace context and request ids, in, through and out
//! - [`ids`]: time-ordered ids below 2^53
//! - [`grpc`]: the gRPC server that every service starts
//! - [`upstream`]: another service that this one calls
//! - [`not_started`]: refusals that say that nothing was done
//! - [`admin`]: the operators' listener: `/livez`, `/readyz`, `/metrics`
//! - [`metrics`]: what the gRPC server counts
//! - [`healthcheck`]: a process's own health, asked by a program of its image
//! - [`version()`]: which build this is
//!
//! With the feature `fault-injection`, which no build but that of tests has, `fault_injection` lets a process fail on purpose.

pub mod admin;
pub mod cli;
pub mod env;
#[cfg(feature = "fault-injection")]
pub mod fault_injection;
pub mod grpc;
pub mod healthcheck;
pub mod ids;
pub mod metrics;
pub mod not_started;
pub mod process;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod upstream;
mod version;

pub use tokio_util::sync::CancellationToken;
pub use version::version;
