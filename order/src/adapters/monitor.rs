//! Metrics of orders: outcomes, the backlog of PENDING orders, and events that must never happen.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `order_placements_total` | outcome | responses to requests to place an order; `repeated` is the outcome of an earlier request with the key |
//! | `order_recoveries_total` | outcome | recoveries of orders that were left PENDING |
//! | `order_payment_mismatches_total`, `order_settle_conflicts_total` | | must stay 0; each mismatch is counted once |
//! | `order_payment_mismatches_open` | | mismatches that no operator has resolved |
//! | `order_orphans`, `order_pending_oldest_seconds` | | PENDING orders |

use service_kit::metrics::{
    Registry,
    prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use crate::{
    domain::{Backlog, OrderId, Status},
    ports::{Monitor, PlacementOutcome, RecoveryOutcome},
};

type Labels = [(&'static str, &'static str); 1];

/// The metrics of orders.
#[derive(Debug, Default)]
pub struct Metrics {
    placements: Family<Labels, Counter>,
    recoveries: Family<Labels, Counter>,
    mismatches: Counter,
    conflicts: Counter,
    open_mismatches: Gauge,
    orphans: Gauge,
    oldest_seconds: Gauge,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "order_placements",
            "Responses to requests to place an order, by outcome",
            metrics.placements.clone(),
        );
        registry.register(
            "order_recoveries",
            "Recoveries of orders that were left PENDING, by outcome",
            metrics.recoveries.clone(),
        );
        // Created at the start: a rate misses the first increment of a series that appears later.
        for outcome in [RecoveryOutcome::Answered, RecoveryOutcome::Unanswered, RecoveryOutcome::LeftAlone] {
            drop(metrics.recoveries.get_or_create(&labels(outcome)));
        }
        registry.register(
            "order_payment_mismatches",
            "Charges of orders that Payment knows with another amount, currency or user: must stay 0",
            metrics.mismatches.clone(),
        );
        registry.register(
            "order_payment_mismatches_open",
            "PENDING orders that Payment knows with another amount, currency or user, until an operator resolves them",
            metrics.open_mismatches.clone(),
        );
        registry.register(
            "order_settle_conflicts",
            "Orders whose recorded status contradicts the response of Payment: must stay 0",
            metrics.conflicts.clone(),
        );
        registry.register(
            "order_orphans",
            "PENDING orders that are due for recovery, counted up to 1001",
            metrics.orphans.clone(),
        );
        registry.register(
            "order_pending_oldest_seconds",
            "Age of the oldest PENDING order without a mismatch, 0 if there is none",
            metrics.oldest_seconds.clone(),
        );
        metrics
    }
}

fn labels(outcome: RecoveryOutcome) -> Labels {
    let outcome = match outcome {
        RecoveryOutcome::Answered => "answered",
        RecoveryOutcome::Unanswered => "unanswered",
        RecoveryOutcome::LeftAlone => "left_alone",
    };
    [("outcome", outcome)]
}

impl Monitor for Metrics {
    fn record_placement(&self, outcome: PlacementOutcome) {
        let outcome = match outcome {
            PlacementOutcome::Paid => "paid",
            PlacementOutcome::Declined => "declined",
            PlacementOutcome::NotCharged => "not_charged",
            PlacementOutcome::Unknown => "unknown",
            PlacementOutcome::Repeated => "repeated",
            PlacementOutcome::NotStarted => "not_started",
            PlacementOutcome::Refused => "refused",
        };
        self.placements.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn record_recovery(&self, outcome: RecoveryOutcome) {
        self.recoveries.get_or_create(&labels(outcome)).inc();
    }

    fn record_mismatch(&self, order: OrderId) {
        self.mismatches.inc();
        tracing::error!(
            order_id = order.get(),
            "Payment knows this order with another amount, currency or user; it stays PENDING until `order resolve`"
        );
    }

    fn record_conflict(&self, order: OrderId, recorded: Status, answered: Status) {
        self.conflicts.inc();
        tracing::error!(
            order_id = order.get(),
            recorded = recorded.name(),
            answered = answered.name(),
            "recorded status contradicts Payment's response"
        );
    }

    fn record_backlog(&self, backlog: &Backlog) {
        self.open_mismatches.set(i64::try_from(backlog.mismatches).unwrap_or(i64::MAX));
        self.orphans.set(i64::try_from(backlog.orphans).unwrap_or(i64::MAX));
        self.oldest_seconds.set(i64::try_from(backlog.oldest.as_secs()).unwrap_or(i64::MAX));
    }
}
