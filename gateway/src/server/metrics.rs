//! What is counted of connections.

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use service_kit::metrics::Registry;

/// The metrics of one listener.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionMetrics {
    pub(super) open: Gauge,
    pub(super) handshakes_failed: Counter,
    closed: Family<[(&'static str, &'static str); 1], Counter>,
}

/// Why a connection was closed that its client would have kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// Its address has as many as it may have.
    Address,
    /// It was idle.
    Idle,
    /// Its client does not read an answer.
    Unread,
    /// Its client asks, and gives up what it asked for.
    Abandoning,
}

impl ConnectionMetrics {
    /// Registers them under their Prometheus names.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { open: Gauge::default(), handshakes_failed: Counter::default(), closed: Family::default() };
        registry.register("http_server_connections", "ConnectionMetrics that are open", metrics.open.clone());
        registry.register(
            "http_server_tls_handshakes_failed",
            "ConnectionMetrics that could not be made secure, or not in time",
            metrics.handshakes_failed.clone(),
        );
        registry.register(
            "http_server_connections_cut",
            "ConnectionMetrics closed by a bound, by why",
            metrics.closed.clone(),
        );
        metrics
    }

    /// A connection was closed.
    pub(super) fn close(&self, why: CloseReason) {
        let why = match why {
            CloseReason::Address => "address",
            CloseReason::Idle => "idle",
            CloseReason::Unread => "unread",
            CloseReason::Abandoning => "abandoning",
        };
        self.closed.get_or_create(&[("why", why)]).inc();
    }
}
