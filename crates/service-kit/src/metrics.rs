//! Metrics of every service.
//!
//! A registry is a value, which `serve` passes on; there is no global registry, so that three services in one
//! process have separate metrics.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `build_info` | service, version, revision | 1; the revision is the commit that was built, or `unknown` |
//! | `log_lines_dropped_total` | | log lines of the process that were dropped, since the reader of its log did not keep up |
//! | `tls_certificate_not_after_seconds` | use, role, file, position | end of the validity of a certificate in use, since the Unix epoch |
//! | `process_…` | | statistics of the process from the operating system |
//! | `grpc_server_call_duration_seconds` | grpc_method, grpc_status | time from the call to the head of its response, or to the disconnect of its client, which is CANCELLED (gRFC A66); `other` is any unknown method |
//! | `grpc_server_in_flight` | | calls in flight |
//! | `grpc_server_refused_total` | | calls rejected before any work |

use grpc_client::code_name;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
};
use tonic::Code;

use crate::{telemetry, version};

mod process;
pub(crate) mod text;

pub use prometheus_client::{self, registry::Registry};
pub use text::render;

/// Seconds; from a tenth of a millisecond to the longest deadline.
const LATENCY_BUCKETS: [f64; 12] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0, 10.0, 30.0];

/// A registry with the build of `service` and the statistics of its process.
pub fn registry(service: &'static str) -> Registry {
    let mut registry = Registry::default();
    let (version, revision) = (env!("CARGO_PKG_VERSION"), version::revision());
    let build = Info::new([("service", service), ("version", version), ("revision", revision)]);
    registry.register("build", "Version and commit of the program", build);
    registry.register(
        "log_lines_dropped",
        "Log lines that were dropped: their reader did not keep up",
        telemetry::dropped_lines(),
    );
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
            "Time from a call to the head of its response",
            metrics.calls.clone(),
        );
        registry.register("grpc_server_in_flight", "Calls in flight", metrics.in_flight.clone());
        registry.register("grpc_server_refused", "Calls rejected before any work", metrics.refused.clone());
        metrics
    }

    /// Records a call of `method` that ended with `code` after `seconds`.
    pub(crate) fn ended(&self, method: String, code: Code, seconds: f64) {
        // A client may send any path, and each would stay in memory.
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
    fn build_info_has_the_commit() {
        let page = render(&Arc::new(registry("order")));
        let (version, revision) = (env!("CARGO_PKG_VERSION"), version::revision());
        let build =
            format!("build_info{{service=\"order\",version=\"{version}\",revision=\"{revision}\"}} 1\n");
        assert!(page.contains(&build), "{build}{page}");
    }
}
