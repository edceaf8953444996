//! The rows of the stores, in the fakes that pass the contract suites. Every change is recorded and checked.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use order::{
    domain::{FencingToken, Order, OrderId, Settlement, Status},
    ports::{InsertOutcome, Orders, StoreError},
};
use payment::{
    domain::Payment,
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

use test_support::{order::FakeOrders, payment::FakeLedger};

use crate::simulation::Simulation;

/// The orders of a run, and the history of each.
#[derive(Debug, Default)]
pub(crate) struct RecordedOrders {
    pub(crate) fake: FakeOrders,
    /// Each status of an order, with the time of the change.
    history: Mutex<BTreeMap<OrderId, Vec<(Duration, Status)>>>,
}

/// A write of an order, as a value: it may happen after its process was killed.
#[derive(Debug, Clone)]
pub(crate) enum OrderWrite {
    Insert(Box<Order>),
    Settle(FencingToken, Settlement),
    Reopen(FencingToken),
    Claim(FencingToken, Duration),
    Renew(OrderId, Duration),
}

impl OrderWrite {
    fn order(&self) -> OrderId {
        match self {
            Self::Insert(order) => order.id,
            Self::Settle(token, _) | Self::Reopen(token) | Self::Claim(token, _) => token.order,
            Self::Renew(order, _) => *order,
        }
    }
}

impl RecordedOrders {
    /// Applies the write atomically. Returns whether it changed the order.
    pub(crate) async fn apply(&self, sim: &Simulation, write: &OrderWrite) -> Result<bool, StoreError> {
        let id = write.order();
        let before = self.fake.find(id).await?;
        let done = match write {
            OrderWrite::Insert(order) => {
                let inserted = self.fake.insert(order, std::sync::Arc::new(|| true)).await;
                inserted.map(|insert| insert == InsertOutcome::Inserted)
            }
            OrderWrite::Settle(token, settlement) => self.fake.settle(*token, settlement).await,
            OrderWrite::Reopen(token) => self.fake.reopen(*token).await,
            OrderWrite::Claim(token, lease) => self.fake.claim(*token, *lease).await,
            OrderWrite::Renew(order, lease) => self.fake.renew(&[*order], *lease).await.map(|()| true),
        }?;
        let after = self.fake.find(id).await?;
        if before != after
            && let Some(after) = after
        {
            self.check_change(sim, before.as_ref(), &after);
        }
        Ok(done)
    }

    fn check_change(&self, sim: &Simulation, before: Option<&Order>, after: &Order) {
        let Order { id, status, fence, .. } = after;
        sim.log(format_args!("order {id} is {status:?}, fence {fence}"));
        if let Some(before) = before {
            let expected = Order { status: before.status, decline: before.decline.clone(), ..after.clone() };
            if (Order { fence: after.fence, attempts: after.attempts, ..before.clone() }) != expected {
                sim.report_violation(format!("order {id} changed in other fields: {before:?}, {after:?}"));
            }
            let allowed = match before.status {
                Status::Pending => true,
                Status::NotCharged => *status == Status::Pending,
                Status::Paid | Status::Declined | Status::Voided | Status::Unspecified => false,
            };
            if !allowed || *fence < before.fence {
                sim.report_violation(format!("order {id} changed from {:?} to {status:?}", before.status));
            }
        }
        if before.is_none_or(|before| before.status != *status) {
            self.history.lock().unwrap().entry(*id).or_default().push((sim.now(), *status));
        }
    }

    /// Payment must record nothing for a NOT_CHARGED order: that status means that no charge is in flight.
    fn check_payment(&self, sim: &Simulation, payment: &Payment) {
        let Some(id) = OrderId::new(payment.order.get()) else { return };
        let status = self.history(id).last().map(|(_, status)| *status);
        if status == Some(Status::NotCharged) && !sim.record().charged_by_others.contains(&id) {
            sim.report_violation(format!(
                "order {id} is NOT_CHARGED, and Payment recorded {:?}",
                payment.outcome
            ));
        }
    }

    /// Each status of the order, with the time of the change.
    pub(crate) fn history(&self, order: OrderId) -> Vec<(Duration, Status)> {
        self.history.lock().unwrap().get(&order).cloned().unwrap_or_default()
    }
}

/// The payments and accounts of a run.
#[derive(Default)]
pub(crate) struct RecordedPayments {
    pub(crate) fake: FakeLedger,
}

/// A write of the ledger, as a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LedgerWrite {
    Charge(NewCharge),
    Void(NewVoid),
}

impl RecordedPayments {
    /// Records the write atomically unless the order has a payment. Returns the recorded payment.
    pub(crate) async fn record(&self, sim: &Simulation, write: &LedgerWrite) -> Result<Payment, LedgerError> {
        let order = match write {
            LedgerWrite::Charge(charge) => charge.request.order,
            LedgerWrite::Void(void) => void.order,
        };
        let before = self.fake.find(order).await?;
        let recorded = match write {
            LedgerWrite::Charge(charge) => self.fake.record_charge(charge).await,
            LedgerWrite::Void(void) => self.fake.record_void(void).await,
        };
        let after = self.fake.find(order).await?;
        match (before, after) {
            (None, Some(payment)) => {
                sim.log(format_args!("payment of {order}: {:?}", payment.outcome));
                sim.orders.check_payment(sim, &payment);
            }
            (before, after) if before != after => {
                sim.report_violation(format!("the payment of {order} changed from {before:?} to {after:?}"));
            }
            _ => {}
        }
        recorded
    }
}
