//! Tests of the whole system over real connections.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy's own exception covers test functions, not what they call"
)]

mod audit;
mod auth;
mod backend;
mod backwards_compat;
mod dashboards;
mod gateway_fixture;
mod header_propagation;
mod images;
mod input;
mod limits;
mod log_capture;
mod mapping;
mod metrics;
mod orders;
mod processes;
mod protection;
mod resolve;
mod response_layers;
mod shutdown;
mod support;
mod timeouts;
mod traces;
mod transport_failures;
mod wire;
