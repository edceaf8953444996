//! A ledger that counts what it records.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `payment_charges_total` | outcome (`charged`, `declined`) | recorded charges, without repeated requests |
//! | `payment_charged_minor_units_total` | currency | charged amounts, in the currency's minor units |
//!
//! Counted since the start of this process. A charge whose result was lost, and which a later call finds, is
//! not counted: audit the database for exact sums.

use std::sync::Arc;

use async_trait::async_trait;
use service_kit::metrics::{
    Registry,
    prometheus_client::metrics::{counter::Counter, family::Family},
};

use crate::{
    domain::{OrderId, Outcome, Payment},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

type Label = [(&'static str, &'static str); 1];

/// Counters of charges.
#[derive(Debug, Clone, Default)]
pub struct ChargeMetrics {
    charges: Family<Label, Counter>,
    charged: Family<Label, Counter>,
}

impl ChargeMetrics {
    /// Creates the counters and registers them under their Prometheus names.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("payment_charges", "Charges recorded, by outcome", metrics.charges.clone());
        registry.register(
            "payment_charged_minor_units",
            "Charged amounts, in minor units of the currency",
            metrics.charged.clone(),
        );
        for outcome in ["charged", "declined"] {
            drop(metrics.charges.get_or_create(&[("outcome", outcome)]));
        }
        metrics
    }

    fn count(&self, payment: &Payment) {
        let outcome = match payment.outcome {
            Outcome::Charged { total, .. } => {
                let currency = [("currency", total.currency().code())];
                self.charged.get_or_create(&currency).inc_by(total.minor().unsigned_abs());
                "charged"
            }
            Outcome::Declined { .. } => "declined",
            Outcome::Voided | Outcome::Unspecified => return,
        };
        self.charges.get_or_create(&[("outcome", outcome)]).inc();
    }
}

/// A ledger that counts the charges it records.
pub struct MeteredLedger {
    inner: Arc<dyn Ledger>,
    metrics: ChargeMetrics,
}

impl MeteredLedger {
    /// Counts the charges that `inner` records.
    pub fn new(inner: Arc<dyn Ledger>, metrics: ChargeMetrics) -> Self {
        Self { inner, metrics }
    }
}

#[async_trait]
impl Ledger for MeteredLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        let payment = self.inner.record_charge(charge).await?;
        // Another id means that an earlier call recorded the payment.
        if payment.id == charge.payment {
            self.metrics.count(&payment);
        }
        Ok(payment)
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.inner.record_void(void).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.inner.find(order).await
    }
}
