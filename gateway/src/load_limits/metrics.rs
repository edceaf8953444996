//! Metrics of rejections.

use prometheus_client::metrics::{counter::Counter, family::Family};
use service_kit::metrics::Registry;

/// The names of the rate limits.
pub(super) const BY_ADDRESS: &str = "address";
pub(super) const BY_SUBJECT: &str = "subject";

/// The metrics of one gateway's load limits.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) shed: Counter,
    limited: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { shed: Counter::default(), limited: Family::default() };
        registry.register(
            "gateway_requests_shed",
            "Requests rejected because too many were in flight",
            metrics.shed.clone(),
        );
        registry.register(
            "gateway_requests_limited",
            "Requests rejected by a rate limit, by limit",
            metrics.limited.clone(),
        );
        // Created at start: rate() misses the first increment of a series that appears later.
        for limit in [BY_ADDRESS, BY_SUBJECT] {
            drop(metrics.limited.get_or_create(&[("limit", limit)]));
        }
        metrics
    }

    /// Counts a rejection by the rate limit `limit`.
    pub(super) fn rate_limited(&self, limit: &'static str) {
        self.limited.get_or_create(&[("limit", limit)]).inc();
    }
}
