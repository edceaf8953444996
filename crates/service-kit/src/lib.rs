//! The parts of a service that do not depend on its domain.
//!
//! - [`mod@env`]: configuration from environment variables, all faults reported together
//! - [`cli`]: the commands of every service, and the parser of command lines
//! - [`process`]: a process from configuration to exit code: runtime, telemetry, signals, sockets
//! - [`telemetry`]: logs, readable or as JSON lines
//! - [`tls`]: TLS between services, and the conditions for plain text
//! - [`trace`]: W3C trace context, request ids, and spans
//! - [`ids`]: time-ordered ids below 2^53
//! - [`accept`]: the accept loop of a listener
//! - [`grpc`]: the gRPC server of every service
//! - [`upstream`]: the configuration of a service that this process calls
//! - [`not_started`]: the status of a call that did nothing
//! - [`admin`]: the admin listener: `/livez`, `/readyz`, `/metrics`
//! - [`metrics`]: the metrics of every service
//! - [`healthcheck`]: the health of a process, queried by a program of its image
//! - [`version()`]: the version of this build
//!
//! With the feature `fault-injection`, only in builds for tests, `fault_injection` makes a process fail at
//! named points.

pub mod accept;
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

pub use tokio_util::{sync::CancellationToken, task::TaskTracker};
pub use version::version;
