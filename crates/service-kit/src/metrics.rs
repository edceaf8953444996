//! What every service counts, and how it adds its own.
//!
//! A registry is a value, handed from `serve` to whoever counts; there is no process-wide one, so that
//! three services in one process keep theirs apart.
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `build_info` | service, version, revision | 1; the revision is the commit that was built, or `unknown` |
//! | `process_…` | | what the system knows of the process |
//! | `grpc_server_call_duration_seconds` | grpc_method, grpc_status | from a call to the head of its answer, or to its caller's leaving, which is CANCELLED (gRFC A66); `other` is every method that is not served |
//! | `grpc_server_in_flight` | | calls being worked on |
//! | `grpc_server_refused_total` | | calls refused before anything was done |

use grpc_client::code_name;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
};
use tonic::Code;

use crate::version;

mod process;
pub(crate) mod text;

pub use prometheus_client::{self, registry::Registry};
pub use text::render;

/// Seconds; from a tenth of a millisecond to the longest deadline.
const LATENCY_BUCKETS: [f64; 12] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0, 10.0, 30.0];

/// A registry that says which service this is, and what the system knows of its process.
pub fn registry(service: &'static str) -> Registry {
    let mut registry = Registry::default();
    let (version, revision) = (env!("CARGO_PKG_VERSION"), version::revision());
    let build = Info::new([("service", service), ("version", version), ("revision", revision)]);
    registry.register("build", "Which program runs", build);
    registry.register_collector(Box::new(process::Process::new()));
    registry
}

/// Labels of one finished call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    /// Method path without the leading slash, `Order/Create` for instance.
    grpc_method: String,
    grpc_status: &'static str,
}

/// The metrics of a gRPC server.
#[derive(Debug, Clone)]
pub struct ServerMetrics {
    calls: Family<CallLabels, Histogram>,
    pub(crate) in_flight: Gauge,
    pub(crate) refused: Counter,
}

impl ServerMetrics {
    /// Registers them under their Prometheus names.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            in_flight: Gauge::default(),
            refused: Counter::default(),
        };
        registry.register(
            "grpc_server_call_duration_seconds",
            "Time from a call to the head of its answer",
            metrics.calls.clone(),
        );
        registry.register("grpc_server_in_flight", "Calls being worked on", metrics.in_flight.clone());
        registry.register(
            "grpc_server_refused",
            "Calls refused before anything was done",
            metrics.refused.clone(),
        );
        metrics
    }

    /// A call of `method` ended with `code`, after so many seconds.
    pub(crate) fn ended(&self, method: String, code: Code, seconds: f64) {
        // Any path may be asked for, and each would be kept for ever.
        let grpc_method = if code == Code::Unimplemented { "other".to_owned() } else { method };
        let labels = CallLabels { grpc_method, grpc_status: code_name(code) };
        self.calls.get_or_create(&labels).observe(seconds);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_scrape_tells_which_commit_was_built() {
        let page = render(&Arc::new(registry("order")));
        let (version, revision) = (env!("CARGO_PKG_VERSION"), version::revision());
        let build =
            format!("build_info{{service=\"order\",version=\"{version}\",revision=\"{revision}\"}} 1\n");
        assert!(page.contains(&build), "{build}{page}");
    }
}
