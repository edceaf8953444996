//! The stores as the applications see them, through their ports.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use order::{
    domain::{Backlog, FencingToken, IdempotencyKey, Order, OrderId, PendingOrder, Settlement, UserId},
    ports::{InsertOutcome, Orders, Page, StartGuard, StoreError},
};
use payment::{
    domain::{self, Payment},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

use crate::{
    faults::Fault,
    kept::{Change, Entry},
    network,
    store::{Errors, Fate, Site, pass},
};

const ORDERS_ERRORS: Errors<StoreError> =
    Errors { not_started: StoreError::NotStarted, unknown: StoreError::Unknown };
const LEDGER_ERRORS: Errors<LedgerError> =
    Errors { not_started: LedgerError::NotStarted, unknown: LedgerError::Unknown };

/// The store of orders, as one instance of Order reaches it.
pub(crate) struct OrdersFromSite(pub(crate) Site);

impl OrdersFromSite {
    async fn change(&self, fate: Fate, change: Change) -> Result<bool, StoreError> {
        let world = self.0.world.clone();
        let work = async move {
            let made = world.orders.change(&world, &change).await;
            if let Change::Insert(order) = &change
                && made == Ok(true)
                && world.strikes(Fault::Stray)
            {
                network::stray(&world, order);
            }
            made
        };
        self.0.write(fate, ORDERS_ERRORS, Box::pin(work)).await
    }

    async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.0.read(ORDERS_ERRORS, work).await
    }
}

#[async_trait]
impl Orders for OrdersFromSite {
    async fn insert(&self, order: &Order, start_guard: StartGuard) -> Result<InsertOutcome, StoreError> {
        // The time until its turn comes, which counts before it is asked for permission.
        pass(self.0.latency()).await;
        let fate = self.0.fate();
        let refused_at_once = fate == Fate::Refused && self.0.world.chance(500);
        if refused_at_once || !start_guard() {
            return Err(StoreError::NotStarted);
        }
        let inserted = self.change(fate, Change::Insert(Box::new(order.clone()))).await?;
        Ok(if inserted { InsertOutcome::Inserted } else { InsertOutcome::Conflict })
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.read(self.0.world.orders.fake.find_by_key(user, key)).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.read(self.0.world.orders.fake.find(id)).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        self.read(self.0.world.orders.fake.list(user, before, limit, items_max)).await
    }

    async fn settle(&self, token: FencingToken, settlement: &Settlement) -> Result<bool, StoreError> {
        self.change(self.0.fate(), Change::Settle(token, settlement.clone())).await
    }

    async fn reopen(&self, token: FencingToken) -> Result<bool, StoreError> {
        self.change(self.0.fate(), Change::Reopen(token)).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<PendingOrder>, StoreError> {
        self.read(self.0.world.orders.fake.due(limit)).await
    }

    async fn claim(&self, token: FencingToken, lease: Duration) -> Result<bool, StoreError> {
        self.change(self.0.fate(), Change::Claim(token, lease)).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.read(self.0.world.orders.fake.backlog(limit)).await
    }
}

/// The ledger, as one instance of Payment reaches it.
pub(crate) struct LedgerFromSite(pub(crate) Site);

impl LedgerFromSite {
    async fn record(&self, entry: Entry) -> Result<Payment, LedgerError> {
        pass(self.0.latency()).await;
        let world = Arc::clone(&self.0.world);
        let work = async move { world.payments.record(&world, &entry).await };
        self.0.write(self.0.fate(), LEDGER_ERRORS, Box::pin(work)).await
    }
}

#[async_trait]
impl Ledger for LedgerFromSite {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        self.record(Entry::Charge(*charge)).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.record(Entry::Void(*void)).await
    }

    async fn find(&self, order: domain::OrderId) -> Result<Option<Payment>, LedgerError> {
        self.0.read(LEDGER_ERRORS, self.0.world.payments.fake.find(order)).await
    }
}
