//! Tests of the whole system, and of the rules that its sources keep.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy's own exception covers test functions, not what they call"
)]

mod audit;
mod auth;
mod backend;
mod dashboards;
mod face;
mod front;
mod images;
mod input;
mod limits;
mod log;
mod mapping;
mod old_contract;
mod orders;
mod passage;
mod processes;
mod protection;
mod shutdown;
mod support;
mod this_side;
mod timeouts;
mod traces;
mod watched;
