//! The ledger, with what it records counted.
//!
//! | metric | labels | what |
//! |---|---|---|
//! | `payment_charges_total` | outcome (`charged`, `declined`) | charges recorded; what was recorded before is not counted again |
//! | `payment_charged_minor_units_total` | currency | what customers were charged, in the currency's minor units |
//!
//! MeteredLedger since the process began, and by this process alone. What was recorded without an answer, and found by a later
//! call, is counted by nobody: the books are in the database, and audited there.

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

/// What was charged.
#[derive(Debug, Clone, Default)]
pub struct ChargeMetrics {
    charges: Family<Label, Counter>,
    charged: Family<Label, Counter>,
}

impl ChargeMetrics {
    /// Registers them under their Prometheus names.
    pub fn register(registry: &mut Registry) -> Self {
        let charges = Self::default();
        registry.register("payment_charges", "ChargeMetrics recorded, by outcome", charges.charges.clone());
        registry.register(
            "payment_charged_minor_units",
            "What customers were charged, in minor units of the currency",
            charges.charged.clone(),
        );
        for outcome in ["charged", "declined"] {
            drop(charges.charges.get_or_create(&[("outcome", outcome)]));
        }
        charges
    }

    fn recorded(&self, payment: &Payment) {
        let outcome = match payment.outcome {
            Outcome::Charged { total, .. } => {
                let currency = [("currency", total.currency().code())];
                self.charged.get_or_create(&currency).inc_by(total.minor().unsigned_abs());
                "charged"
            }
            Outcome::Declined { .. } => "declined",
            Outcome::Voided => return,
        };
        self.charges.get_or_create(&[("outcome", outcome)]).inc();
    }
}

/// A ledger whose charges are counted.
pub struct MeteredLedger {
    inner: Arc<dyn Ledger>,
    charges: ChargeMetrics,
}

impl MeteredLedger {
    /// Counts what `inner` records.
    pub fn new(inner: Arc<dyn Ledger>, charges: ChargeMetrics) -> Self {
        Self { inner, charges }
    }
}

#[async_trait]
impl Ledger for MeteredLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        let payment = self.inner.record_charge(charge).await?;
        // Any other id is that of an earlier call.
        if payment.id == charge.payment {
            self.charges.recorded(&payment);
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
