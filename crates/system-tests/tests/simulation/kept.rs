//! What the stores hold: the fakes that pass the contract suites, with a history that is checked at every change.

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

use crate::world::World;

/// The orders of a run.
#[derive(Debug, Default)]
pub(crate) struct KeptOrders {
    pub(crate) fake: FakeOrders,
    /// Each status that an order had, since when.
    history: Mutex<BTreeMap<OrderId, Vec<(Duration, Status)>>>,
}

/// A change of an order, as a value: it may have to be made by nobody's process.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Insert(Box<Order>),
    Settle(FencingToken, Settlement),
    Reopen(FencingToken),
    Claim(FencingToken, Duration),
}

impl Change {
    fn order(&self) -> OrderId {
        match self {
            Self::Insert(order) => order.id,
            Self::Settle(token, _) | Self::Reopen(token) | Self::Claim(token, _) => token.order,
        }
    }
}

impl KeptOrders {
    /// Makes the change, at once and wholly. Tells whether it was made.
    pub(crate) async fn change(&self, world: &World, change: &Change) -> Result<bool, StoreError> {
        let id = change.order();
        let before = self.fake.find(id).await?;
        let made = match change {
            Change::Insert(order) => {
                let inserted = self.fake.insert(order, std::sync::Arc::new(|| true)).await;
                inserted.map(|insert| insert == InsertOutcome::Inserted)
            }
            Change::Settle(token, settlement) => self.fake.settle(*token, settlement).await,
            Change::Reopen(token) => self.fake.reopen(*token).await,
            Change::Claim(token, lease) => self.fake.claim(*token, *lease).await,
        }?;
        let after = self.fake.find(id).await?;
        if before != after
            && let Some(after) = after
        {
            self.changed(world, before.as_ref(), &after);
        }
        Ok(made)
    }

    fn changed(&self, world: &World, before: Option<&Order>, after: &Order) {
        let Order { id, status, fence, .. } = after;
        world.log(format_args!("order {id} is {status:?}, fence {fence}"));
        if let Some(before) = before {
            let kept = Order { status: before.status, decline: before.decline.clone(), ..after.clone() };
            if (Order { fence: after.fence, attempts: after.attempts, ..before.clone() }) != kept {
                world.violated(format!("order {id} is another order now: {before:?}, {after:?}"));
            }
            let allowed = match before.status {
                Status::Pending => true,
                Status::NotCharged => *status == Status::Pending,
                Status::Paid | Status::Declined | Status::Voided => false,
            };
            if !allowed || *fence < before.fence {
                world.violated(format!("order {id} went from {:?} to {status:?}", before.status));
            }
        }
        if before.is_none_or(|before| before.status != *status) {
            self.history.lock().unwrap().entry(*id).or_default().push((world.now(), *status));
        }
    }

    /// What Payment recorded must be for an order that waits for it: NOT_CHARGED says that nothing is on its way.
    fn answered(&self, world: &World, payment: &Payment) {
        let Some(id) = OrderId::new(payment.order.get()) else { return };
        let status = self.history(id).last().map(|(_, status)| *status);
        if status == Some(Status::NotCharged) && !world.record().touched.contains(&id) {
            world.violated(format!("order {id} is NOT_CHARGED, and Payment recorded {:?}", payment.outcome));
        }
    }

    /// Each status that the order had, since when.
    pub(crate) fn history(&self, order: OrderId) -> Vec<(Duration, Status)> {
        self.history.lock().unwrap().get(&order).cloned().unwrap_or_default()
    }
}

/// The accounts and payments of a run.
#[derive(Default)]
pub(crate) struct KeptPayments {
    pub(crate) fake: FakeLedger,
}

/// What is recorded for an order, as a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    Charge(NewCharge),
    Void(NewVoid),
}

impl KeptPayments {
    /// Records it, at once and wholly, unless something is recorded already; returns what is.
    pub(crate) async fn record(&self, world: &World, entry: &Entry) -> Result<Payment, LedgerError> {
        let order = match entry {
            Entry::Charge(charge) => charge.request.order,
            Entry::Void(void) => void.order,
        };
        let before = self.fake.find(order).await?;
        let recorded = match entry {
            Entry::Charge(charge) => self.fake.record_charge(charge).await,
            Entry::Void(void) => self.fake.record_void(void).await,
        };
        let after = self.fake.find(order).await?;
        match (before, after) {
            (None, Some(payment)) => {
                world.log(format_args!("payment of {order}: {:?}", payment.outcome));
                world.orders.answered(world, &payment);
            }
            (before, after) if before != after => {
                world.violated(format!("the payment of {order} changed from {before:?} to {after:?}"));
            }
            _ => {}
        }
        recorded
    }
}
