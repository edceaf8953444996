//! Tests of the gRPC server that every service starts, over real sockets, with a small `Order` service.
//!
//! - `serving`: the server under test, and its handler
//! - `raw_client`: calls with headers and trailers that generated clients do not expose
//! - the tests, by feature: all other modules

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

mod connection_age;
mod deadlines;
mod drain;
mod health;
mod limits;
mod load;
mod logs;
mod metrics;
mod panics;
mod preface;
mod raw_client;
mod reflection;
mod requests;
mod rotation;
mod serving;
mod standard_services;
mod start;
mod tls;
mod trace;
mod unfinished_connections;
mod upstream;
