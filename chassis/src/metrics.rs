//! What the gRPC server counts, and how a service adds its own.
//!
//! A registry is a value, handed from `serve` to whoever counts; there is no process-wide one, so that
//! three services in one process keep theirs apart.

use std::sync::Arc;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

pub use prometheus_client::{self, registry::Registry};

/// Seconds; from a tenth of a millisecond to ten seconds.
const LATENCY_BUCKETS: [f64; 11] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0, 10.0];

/// Labels of one finished call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// Method path without the leading slash, `Order/Create` for instance; `unknown` for any that is not served.
    pub method: String,
    /// The number of the gRPC code.
    pub code: u32,
}

/// The metrics of a gRPC server.
#[derive(Debug, Clone)]
pub struct ServerMetrics {
    pub(crate) calls: Family<CallLabels, Counter>,
    pub(crate) in_flight: Gauge,
    pub(crate) refused: Counter,
    pub(crate) seconds: Histogram,
}

impl ServerMetrics {
    /// Registers them under their Prometheus names.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            in_flight: Gauge::default(),
            refused: Counter::default(),
            seconds: Histogram::new(LATENCY_BUCKETS),
        };
        registry.register(
            "grpc_server_calls",
            "Calls answered, by method and gRPC code",
            metrics.calls.clone(),
        );
        registry.register("grpc_server_in_flight", "Calls being worked on", metrics.in_flight.clone());
        registry.register(
            "grpc_server_refused",
            "Calls refused before anything was done",
            metrics.refused.clone(),
        );
        registry.register(
            "grpc_server_seconds",
            "Time from a call to the head of its answer",
            metrics.seconds.clone(),
        );
        metrics
    }
}

/// The registry as text, in the format that Prometheus scrapes.
pub fn render(registry: &Arc<Registry>) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail; an empty page would show that it did.
    if encode(&mut text, registry).is_err() {
        text.clear();
    }
    text
}
