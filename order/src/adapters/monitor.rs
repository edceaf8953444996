//! What operators watch: what became of orders, gauges of what is PENDING, counters of what must never happen.
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `order_placements_total` | outcome | what callers were told of their orders; `repeated` is what an earlier request with the key came to |
//! | `order_recoveries_total` | outcome | work on orders that were left PENDING |
//! | `order_payment_mismatches_total`, `order_settle_conflicts_total` | | must stay 0 |
//! | `order_orphans`, `order_pending_oldest_seconds` | | what is PENDING |

use service_kit::metrics::{
    Registry,
    prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use crate::{
    domain::{Backlog, OrderId, Status},
    ports::{Monitor, Recovered, Told},
};

type Outcome = [(&'static str, &'static str); 1];

/// The metrics of orders.
#[derive(Debug, Default)]
pub struct Metrics {
    placements: Family<Outcome, Counter>,
    recoveries: Family<Outcome, Counter>,
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
            "order_placements",
            "What callers were told of their orders, by outcome",
            metrics.placements.clone(),
        );
        registry.register(
            "order_recoveries",
            "Work on orders that were left PENDING, by how it ended",
            metrics.recoveries.clone(),
        );
        // There from the start: of what comes up later, a rate misses the first.
        for how in [Recovered::Answered, Recovered::Unanswered, Recovered::LeftAlone] {
            drop(metrics.recoveries.get_or_create(&outcome_of(how)));
        }
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

fn outcome_of(how: Recovered) -> Outcome {
    let outcome = match how {
        Recovered::Answered => "answered",
        Recovered::Unanswered => "unanswered",
        Recovered::LeftAlone => "left_alone",
    };
    [("outcome", outcome)]
}

impl Monitor for Metrics {
    fn told(&self, told: Told) {
        let outcome = match told {
            Told::Paid => "paid",
            Told::Declined => "declined",
            Told::NotCharged => "not_charged",
            Told::Unknown => "unknown",
            Told::Repeated => "repeated",
            Told::NotStarted => "not_started",
            Told::Refused => "refused",
        };
        self.placements.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn recovered(&self, how: Recovered) {
        self.recoveries.get_or_create(&outcome_of(how)).inc();
    }

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
