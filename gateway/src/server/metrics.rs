//! Metrics of connections.

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use service_kit::metrics::Registry;

/// The metrics of one listener.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionMetrics {
    pub(super) open: Gauge,
    pub(super) handshakes_failed: Counter,
    closed: Family<[(&'static str, &'static str); 1], Counter>,
}

/// Why the server closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// Its address has reached its limit.
    Address,
    /// It was idle for too long.
    Idle,
    /// The head of an HTTP/1 request took too long to arrive.
    SlowHead,
    /// Its client does not read a response.
    Unread,
    /// Its client abandons too many requests.
    Abandoning,
}

impl ConnectionMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { open: Gauge::default(), handshakes_failed: Counter::default(), closed: Family::default() };
        registry.register("http_server_connections", "Open connections", metrics.open.clone());
        registry.register(
            "http_server_tls_handshakes_failed",
            "TLS handshakes that failed or timed out",
            metrics.handshakes_failed.clone(),
        );
        registry.register(
            "http_server_connections_cut",
            "Connections closed by a limit, by reason",
            metrics.closed.clone(),
        );
        metrics
    }

    /// Counts a connection that the server closes.
    pub(super) fn count_close(&self, reason: CloseReason) {
        let why = match reason {
            CloseReason::Address => "address",
            CloseReason::Idle => "idle",
            CloseReason::SlowHead => "slow_head",
            CloseReason::Unread => "unread",
            CloseReason::Abandoning => "abandoning",
        };
        self.closed.get_or_create(&[("why", why)]).inc();
    }
}
