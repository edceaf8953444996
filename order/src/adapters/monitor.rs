//! What operators watch: gauges of what is PENDING, counters of what must never happen.

use chassis::metrics::{
    Registry,
    prometheus_client::metrics::{counter::Counter, gauge::Gauge},
};

use crate::{
    domain::{Backlog, OrderId, Status},
    ports::Monitor,
};

/// The metrics of orders.
#[derive(Debug, Default)]
pub struct Metrics {
    mismatches: Counter,
    conflicts: Counter,
    orphans: Gauge,
    oldest_seconds: Gauge,
}

impl Metrics {
    /// Registers them under their Prometheus names.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "order_payment_mismatches",
            "Times that Payment knew an order with another amount, currency or user: must stay 0",
            metrics.mismatches.clone(),
        );
        registry.register(
            "order_settle_conflicts",
            "Times that an order was recorded as something else than Payment had answered: must stay 0",
            metrics.conflicts.clone(),
        );
        registry.register(
            "order_orphans",
            "PENDING orders that are due for a reconciler, counted up to 1001",
            metrics.orphans.clone(),
        );
        registry.register(
            "order_pending_oldest_seconds",
            "Age of the oldest PENDING order, 0 where there is none",
            metrics.oldest_seconds.clone(),
        );
        metrics
    }
}

impl Monitor for Metrics {
    fn mismatch(&self, order: OrderId) {
        self.mismatches.inc();
        tracing::error!(
            order_id = order.get(),
            "Payment knows this order with another amount, currency or user: it stays PENDING for a human"
        );
    }

    fn conflict(&self, order: OrderId, recorded: Status, answered: Status) {
        self.conflicts.inc();
        tracing::error!(
            order_id = order.get(),
            recorded = recorded.name(),
            answered = answered.name(),
            "the order is recorded as something else than Payment answered"
        );
    }

    fn backlog(&self, backlog: &Backlog) {
        self.orphans.set(i64::try_from(backlog.orphans).unwrap_or(i64::MAX));
        self.oldest_seconds.set(i64::try_from(backlog.oldest.as_secs()).unwrap_or(i64::MAX));
    }
}
