//! What the gateway counts of its requests, and the one line that it logs of each.

use std::sync::Arc;

use chassis::metrics::Registry;
use http::{Method, StatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};
use tokio::time::Instant;

use crate::problem::registry::CLIENT_CLOSED_REQUEST;

/// Seconds; from half a millisecond to the longest deadline.
const LATENCY_BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0];

/// The metrics of one gateway.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<Labels, Counter>,
    in_flight: Gauge,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

impl Metrics {
    /// Registers them under their Prometheus names.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            in_flight: Gauge::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
        };
        let help = "Requests answered, by method, route and status; 499 for clients that went away";
        registry.register("http_server_requests", help, metrics.requests.clone());
        registry.register("http_server_in_flight", "Requests being worked on", metrics.in_flight.clone());
        registry.register(
            "http_server_seconds",
            "Time from a request to the head of its answer, by route",
            metrics.seconds.clone(),
        );
        metrics
    }
}

/// The route of a request that none matched: any path may be asked for, and each would be kept for ever.
pub(crate) const UNKNOWN: &str = "unknown";

/// One request from its arrival to its answer, or to its client's leaving, which drops it half-way.
pub(crate) struct Visit {
    metrics: Metrics,
    method: &'static str,
    route: Option<Arc<str>>,
    arrived: Instant,
    status: u16,
}

impl Visit {
    pub(crate) fn begin(
        metrics: &Metrics,
        method: &Method,
        route: Option<Arc<str>>,
        arrived: Instant,
    ) -> Self {
        metrics.in_flight.inc();
        let method = known(method);
        Self { metrics: metrics.clone(), method, route, arrived, status: CLIENT_CLOSED_REQUEST }
    }

    /// The request was answered with `status`.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.status = status.as_u16();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let route = self.route.take().unwrap_or_else(|| UNKNOWN.into());
        let took = self.arrived.elapsed();
        let duration_us = took.as_micros();
        tracing::info!(method = self.method, route = &*route, status = self.status, duration_us, "request");
        self.metrics.in_flight.dec();
        self.metrics.seconds.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        let labels = Labels { method: self.method, route, status: self.status };
        self.metrics.requests.get_or_create(&labels).inc();
    }
}

/// Methods that are counted by name: a client may invent others.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_went_away_is_counted_as_499_and_an_invented_method_by_no_name() {
        let metrics = Metrics::register(&mut Registry::default());
        let visit = |method| Visit::begin(&metrics, &method, None, Instant::now());
        visit(Method::GET).end(StatusCode::OK);
        drop(visit(Method::from_bytes(b"BREW").unwrap()));
        let counted = |method, status| {
            let labels = Labels { method, route: UNKNOWN.into(), status };
            metrics.requests.get_or_create(&labels).get()
        };
        assert_eq!((counted("GET", 200), counted("other", 499)), (1, 1));
        assert_eq!(metrics.in_flight.get(), 0);
    }
}
