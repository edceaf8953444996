//! Metrics, log line and tracing span of each HTTP request.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `http_server_request_duration_seconds` | http_request_method, http_route, http_response_status_code | from a request to the head of its response |
//! | `http_server_active_requests` | | requests without a response yet |
//!
//! Status 499 is a client that disconnected. The names are those of OpenTelemetry's semantic conventions for
//! HTTP.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
};
use service_kit::{metrics::Registry, trace::Span};
use tokio::time::Instant;

/// HTTP status of a client that disconnected before its response; in logs and metrics only. nginx uses the
/// same number, and google.rpc.Code gives it for CANCELLED.
const CLIENT_CLOSED_REQUEST: u16 = 499;
/// Seconds; from half a millisecond to the longest deadline.
const LATENCY_BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0];
/// Route of an unmatched request in log lines.
pub(crate) const UNKNOWN_ROUTE: &str = "unknown";
/// Label of every method that is not in [`method_label`].
const OTHER_METHOD: &str = "_OTHER";

/// The request metrics of one gateway.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<Labels, Histogram>,
    active: Gauge,
    /// `http` or `https`, as clients reach the listener; a proxy in front of it may use another one.
    scheme: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    http_request_method: &'static str,
    /// Empty where no route matched.
    http_route: Arc<str>,
    http_response_status_code: u16,
}

impl Metrics {
    /// Registers the metrics of a listener of `scheme`.
    pub(crate) fn register(registry: &mut Registry, scheme: &'static str) -> Self {
        let metrics = Self {
            requests: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            active: Gauge::default(),
            scheme,
        };
        registry.register(
            "http_server_request_duration_seconds",
            "Time from a request to the head of its response",
            metrics.requests.clone(),
        );
        registry.register(
            "http_server_active_requests",
            "Requests without a response yet",
            metrics.active.clone(),
        );
        metrics
    }
}

/// One request from its arrival to its response. Dropping it records the request: with status 499 unless
/// [`end`](Self::end) was called, since the client's disconnection drops the request's future.
pub(crate) struct RequestRecord {
    metrics: Metrics,
    span: Span,
    method: &'static str,
    /// `None` where no route matched: a label per requested path would have no bound.
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
        let method = method_label(request.method());
        if span.is_recording() {
            span.set("url.scheme", metrics.scheme);
            set_attributes(&mut span, method, request.uri().path(), route.as_deref());
        }
        Self { metrics: metrics.clone(), span, method, route, arrived, status: CLIENT_CLOSED_REQUEST }
    }

    /// Records the response's status.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.status = status.as_u16();
    }
}

/// Attributes and name by the semantic conventions for HTTP. The query is never recorded, nor the path of an
/// unknown route: both may contain secrets.
fn set_attributes(span: &mut Span, method: &'static str, path: &str, route: Option<&str>) {
    span.set("http.request.method", method);
    // The conventions require span names of low cardinality.
    let name = if method == OTHER_METHOD { "HTTP" } else { method };
    match route {
        Some(route) => {
            span.rename(format!("{name} {route}"));
            span.set("http.route", route.to_owned());
            // A path parameter may contain anything, an idempotency key for instance.
            if !route.contains('{') {
                span.set("url.path", path.to_owned());
            }
        }
        None => span.rename(name),
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let (status, route) = (self.status, self.route.take());
        let duration = self.arrived.elapsed();
        let duration_us = duration.as_micros();
        let logged_route = route.as_deref().unwrap_or(UNKNOWN_ROUTE);
        tracing::info!(method = self.method, route = logged_route, status, duration_us, "request");
        self.metrics.active.dec();
        let labels = Labels {
            http_request_method: self.method,
            http_route: route.unwrap_or_default(),
            http_response_status_code: status,
        };
        self.metrics.requests.get_or_create(&labels).observe(duration.as_secs_f64());
        // A span that is dropped without an end records a cancellation.
        if status != CLIENT_CLOSED_REQUEST {
            let mut span = std::mem::take(&mut self.span);
            span.set("http.response.status_code", i64::from(status));
            if status >= 500 {
                span.fail(status.to_string());
            }
            span.end();
        }
    }
}

/// The metric label of a method. Methods outside of this list share one label: clients may send any name.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER_METHOD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disconnected_client_is_counted_as_499_and_an_unknown_method_as_other() {
        let metrics = Metrics::register(&mut Registry::default(), "http");
        let record = |method| {
            let mut request = Request::new(());
            *request.method_mut() = method;
            RequestRecord::begin(&metrics, Span::default(), &request, None, Instant::now())
        };
        record(Method::GET).end(StatusCode::OK);
        drop(record(Method::from_bytes(b"BREW").unwrap()));
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
