//! Calls over real sockets to backends that answer, refuse, lie, stall and die, and what the channel
//! concludes of each.
//!
//! - `backend`: an honest gRPC server on a runtime of its own, so that it can be killed
//! - `wire`: a peer that writes HTTP/2 frames by hand, so that it can do what no honest server does
//! - the tests, by what must be concluded: `never_ran`, `lost`, `answered`, `not_grpc`, `deadline`; and
//!   `connection`, of connecting and reconnecting; and `restarts`, which looks for a false "never ran"
//!   under load

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

mod answered;
mod backend;
mod client;
mod connection;
mod deadline;
mod lost;
mod never_ran;
mod not_grpc;
mod restarts;
mod wire;
