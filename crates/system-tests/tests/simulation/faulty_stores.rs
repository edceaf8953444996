//! The ports of the stores, with faults.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use order::{
    domain::{
        Backlog, FencingToken, IdempotencyKey, Order, OrderId, PendingOrder, Settlement, Status, UserId,
    },
    ports::{InsertOutcome, Orders, Page, StartGuard, StoreError},
};
use payment::{
    domain::{self, Payment},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

use crate::{
    faults::Fault,
    network,
    state_history::{LedgerWrite, OrderWrite},
    store_calls::{Errors, InstanceContext, WriteOutcome, sleep_for},
};

const ORDERS_ERRORS: Errors<StoreError> =
    Errors { not_started: StoreError::NotStarted, unknown: StoreError::Unknown };
const LEDGER_ERRORS: Errors<LedgerError> =
    Errors { not_started: LedgerError::NotStarted, unknown: LedgerError::Unknown };

/// The store of orders of one Order.
pub(crate) struct FaultyOrders(pub(crate) InstanceContext);

impl FaultyOrders {
    async fn write(&self, outcome: WriteOutcome, write: OrderWrite) -> Result<bool, StoreError> {
        let sim = self.0.sim.clone();
        let work = async move {
            let done = sim.orders.apply(&sim, &write).await;
            if let OrderWrite::Insert(order) = &write
                && done == Ok(true)
                && sim.draw_fault(Fault::ConflictingCharge)
            {
                network::charge_conflicting(&sim, order);
            }
            done
        };
        self.0.write(outcome, ORDERS_ERRORS, Box::pin(work)).await
    }

    async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.0.read(ORDERS_ERRORS, work).await
    }
}

#[async_trait]
impl Orders for FaultyOrders {
    async fn insert(&self, order: &Order, start_guard: StartGuard) -> Result<InsertOutcome, StoreError> {
        // The write waits for its turn before it requests permission.
        sleep_for(self.0.latency()).await;
        let outcome = self.0.draw_outcome();
        let refused_early = outcome == WriteOutcome::Refused && self.0.sim.chance_per_mille(500);
        if refused_early || !start_guard() {
            return Err(StoreError::NotStarted);
        }
        let inserted = self.write(outcome, OrderWrite::Insert(Box::new(order.clone()))).await?;
        Ok(if inserted { InsertOutcome::Inserted } else { InsertOutcome::Conflict })
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.read(self.0.sim.orders.fake.find_by_key(user, key)).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.read(self.0.sim.orders.fake.find(id)).await
    }

    async fn status(&self, id: OrderId) -> Result<Option<Status>, StoreError> {
        self.read(self.0.sim.orders.fake.status(id)).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        self.read(self.0.sim.orders.fake.list(user, before, limit, items_max)).await
    }

    async fn settle(&self, token: FencingToken, settlement: &Settlement) -> Result<bool, StoreError> {
        self.write(self.0.draw_outcome(), OrderWrite::Settle(token, settlement.clone())).await
    }

    async fn reopen(&self, token: FencingToken) -> Result<bool, StoreError> {
        self.write(self.0.draw_outcome(), OrderWrite::Reopen(token)).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<PendingOrder>, StoreError> {
        self.read(self.0.sim.orders.fake.due(limit)).await
    }

    async fn claim(&self, token: FencingToken, lease: Duration) -> Result<bool, StoreError> {
        self.write(self.0.draw_outcome(), OrderWrite::Claim(token, lease)).await
    }

    async fn renew(&self, orders: &[OrderId], lease: Duration) -> Result<(), StoreError> {
        for order in orders {
            self.write(self.0.draw_outcome(), OrderWrite::Renew(*order, lease)).await?;
        }
        Ok(())
    }

    async fn record_mismatch(&self, order: OrderId) -> Result<bool, StoreError> {
        let sim = self.0.sim.clone();
        let work = async move { sim.orders.fake.record_mismatch(order).await };
        self.0.write(self.0.draw_outcome(), ORDERS_ERRORS, Box::pin(work)).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.read(self.0.sim.orders.fake.backlog(limit)).await
    }
}

/// The ledger of one Payment.
pub(crate) struct FaultyLedger(pub(crate) InstanceContext);

impl FaultyLedger {
    async fn record(&self, write: LedgerWrite) -> Result<Payment, LedgerError> {
        sleep_for(self.0.latency()).await;
        let sim = Arc::clone(&self.0.sim);
        let work = async move { sim.payments.record(&sim, &write).await };
        self.0.write(self.0.draw_outcome(), LEDGER_ERRORS, Box::pin(work)).await
    }
}

#[async_trait]
impl Ledger for FaultyLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        self.record(LedgerWrite::Charge(*charge)).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.record(LedgerWrite::Void(*void)).await
    }

    async fn find(&self, order: domain::OrderId) -> Result<Option<Payment>, LedgerError> {
        self.0.read(LEDGER_ERRORS, self.0.sim.payments.fake.find(order)).await
    }
}
