//! What the gateway counts of its requests, the one line that it logs of each, and the span that it records.
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `http_server_request_duration_seconds` | http_request_method, http_route, http_response_status_code | from a request to the head of its answer |
//! | `http_server_active_requests` | | requests being worked on |
//!
//! Status 499 is a client that went away. The names are those of OpenTelemetry's semantic conventions of HTTP.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
};
use service_kit::{metrics::Registry, trace::Span};
use tokio::time::Instant;

/// HTTP status of a client that disconnected before its response; in logs and metrics only (nginx has the same number,
/// google.rpc.Code the same for CANCELLED).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Seconds; from half a millisecond to the longest deadline.
const LATENCY_BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0];

/// The metrics of one gateway.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<Labels, Histogram>,
    active: Gauge,
    scheme: Scheme,
}

/// How clients speak with the gateway itself, whatever they speak with a proxy before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// As it begins a URL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    http_request_method: &'static str,
    /// Empty where no route matched.
    http_route: Arc<str>,
    http_response_status_code: u16,
}

impl Metrics {
    /// Registers them under their Prometheus names, for a listener of `scheme`.
    pub(crate) fn register(registry: &mut Registry, scheme: Scheme) -> Self {
        let metrics = Self {
            requests: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            active: Gauge::default(),
            scheme,
        };
        registry.register(
            "http_server_request_duration_seconds",
            "Time from a request to the head of its answer",
            metrics.requests.clone(),
        );
        registry.register("http_server_active_requests", "Requests being worked on", metrics.active.clone());
        metrics
    }
}

/// What log lines call the route of a request that none matched.
pub(crate) const UNKNOWN_ROUTE: &str = "unknown";

/// One request from its arrival to its answer, or to its client's leaving, which drops it half-way.
pub(crate) struct RequestRecord {
    metrics: Metrics,
    span: Span,
    method: &'static str,
    /// `None` where no route matched: any path may be asked for, and each would be kept for ever.
    route: Option<Arc<str>>,
    arrived: Instant,
    status: u16,
}

impl RequestRecord {
    pub(crate) fn begin<B>(
        metrics: &Metrics,
        mut span: Span,
        request: &Request<B>,
        route: Option<Arc<str>>,
        arrived: Instant,
    ) -> Self {
        metrics.active.inc();
        let method = known(request.method());
        if span.is_recording() {
            span.set("url.scheme", metrics.scheme.name());
            describe(&mut span, method, request.uri().path(), route.as_deref());
        }
        Self { metrics: metrics.clone(), span, method, route, arrived, status: CLIENT_CLOSED_REQUEST }
    }

    /// The request was answered with `status`.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.status = status.as_u16();
    }
}

/// The semantic conventions of HTTP. A query is never recorded, nor a path that is none of ours: they may hold anything.
fn describe(span: &mut Span, method: &'static str, path: &str, route: Option<&str>) {
    span.set("http.request.method", method);
    // A name of few, as the conventions ask for.
    let named = if method == OTHER { "HTTP" } else { method };
    match route {
        Some(route) => {
            span.rename(format!("{named} {route}"));
            span.set("http.route", route.to_owned());
            // What stands in a parameter may be anything, a key for instance.
            if !route.contains('{') {
                span.set("url.path", path.to_owned());
            }
        }
        None => span.rename(named),
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let route = self.route.take();
        let took = self.arrived.elapsed();
        let duration_us = took.as_micros();
        let shown = route.as_deref().unwrap_or(UNKNOWN_ROUTE);
        tracing::info!(method = self.method, route = shown, status = self.status, duration_us, "request");
        self.metrics.active.dec();
        let labels = Labels {
            http_request_method: self.method,
            http_route: route.unwrap_or_default(),
            http_response_status_code: self.status,
        };
        self.metrics.requests.get_or_create(&labels).observe(took.as_secs_f64());
        self.end_span();
    }
}

impl RequestRecord {
    fn end_span(&mut self) {
        // Dropped as it is, it says that it was cancelled.
        if self.status == CLIENT_CLOSED_REQUEST {
            return;
        }
        let mut span = std::mem::take(&mut self.span);
        span.set("http.response.status_code", i64::from(self.status));
        if self.status >= 500 {
            span.fail(self.status.to_string());
        }
        span.end();
    }
}

/// What a method is called that a client invented.
const OTHER: &str = "_OTHER";

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
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_went_away_is_counted_as_499_and_an_invented_method_by_no_name() {
        let metrics = Metrics::register(&mut Registry::default(), Scheme::Http);
        let visit = |method| {
            let mut request = Request::new(());
            *request.method_mut() = method;
            RequestRecord::begin(&metrics, Span::default(), &request, None, Instant::now())
        };
        visit(Method::GET).end(StatusCode::OK);
        drop(visit(Method::from_bytes(b"BREW").unwrap()));
        let mut registry = Registry::default();
        registry.register("requests", "", metrics.requests.clone());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for (method, status) in [("GET", 200), ("_OTHER", 499)] {
            let labels = format!(
                "http_request_method=\"{method}\",http_route=\"\",http_response_status_code=\"{status}\""
            );
            assert!(text.contains(&format!("requests_count{{{labels}}} 1\n")), "{text}");
        }
        assert_eq!(metrics.active.get(), 0);
    }
}
