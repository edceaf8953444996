//! What is counted of connections.

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use service_kit::metrics::Registry;

/// The metrics of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(super) open: Gauge,
    pub(super) handshakes_failed: Counter,
    cut: Family<[(&'static str, &'static str); 1], Counter>,
}

/// Why a connection was closed that its client would have kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its address has as many as it may have.
    Address,
    /// It was idle.
    Idle,
    /// Its client does not read an answer.
    Unread,
    /// Its client asks, and gives up what it asked for.
    Abandoning,
}

impl Connections {
    /// Registers them under their Prometheus names.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { open: Gauge::default(), handshakes_failed: Counter::default(), cut: Family::default() };
        registry.register("http_server_connections", "Connections that are open", metrics.open.clone());
        registry.register(
            "http_server_tls_handshakes_failed",
            "Connections that could not be made secure, or not in time",
            metrics.handshakes_failed.clone(),
        );
        registry.register(
            "http_server_connections_cut",
            "Connections closed by a bound, by why",
            metrics.cut.clone(),
        );
        metrics
    }

    /// A connection was closed.
    pub(super) fn cut(&self, why: Cut) {
        let why = match why {
            Cut::Address => "address",
            Cut::Idle => "idle",
            Cut::Unread => "unread",
            Cut::Abandoning => "abandoning",
        };
        self.cut.get_or_create(&[("why", why)]).inc();
    }
}
