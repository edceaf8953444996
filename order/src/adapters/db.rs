//! Orders and prices in SQLite, MySQL or PostgreSQL.

mod mismatches;
mod prices;
mod rows;
mod statements;
mod transactions;

use std::time::Duration;

use async_trait::async_trait;
use database::{Cause, Database, Migrations, Table, Transaction, WriteError};

use crate::{
    domain::{
        Backlog, FencingToken, IdempotencyKey, Order, OrderId, OrderSummary, PendingOrder, Settlement,
        Status, UserId,
    },
    ports::{InsertOutcome, Orders, Page, StartGuard, StoreError},
};
pub use prices::{DbPrices, Prices};
use transactions::{
    Claim, Find, List, ReadAuditPage, ReadBacklog, ReadDue, ReadStatus, Renew, Reopen, Settle,
};

/// The schema and its migrations.
pub static MIGRATIONS: Migrations = Migrations {
    service: "Order",
    others: &[("payments", "Payment")],
    tables: &[
        Table::new("orders", 1, "idempotency_key"),
        Table::new("order_items", 1, "unit_price_minor"),
        Table::new("schema_versions", 2, "oldest_program"),
        Table::new("prices", 3, "unit_price_minor"),
        Table::new("mismatches", 4, "found_at_ms"),
    ],
    sqlite: sqlx::migrate!("migrations/sqlite"),
    mysql: sqlx::migrate!("migrations/mysql"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// The store of orders in a database.
#[derive(Debug, Clone)]
pub struct DbOrders(Database);

impl DbOrders {
    /// The store in `database`, whose schema is that of [`MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// Orders with ids above `after`, lowest id first, at most `limit`: a page for the audit.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<OrderSummary>, StoreError> {
        self.read(ReadAuditPage { after, limit }).await
    }

    async fn read<T: Transaction>(&self, transaction: T) -> Result<T::Output, StoreError> {
        self.0.read(transaction).await.map_err(|error| {
            tracing::error!(error = %Cause(&error), "database read failed");
            StoreError::Unknown
        })
    }

    async fn write<T: Transaction>(&self, transaction: T) -> Result<T::Output, StoreError> {
        self.0.write(transaction).await.map_err(|error| store_error(&error))
    }
}

/// Logs the cause, and returns what the application needs of it.
fn store_error(error: &WriteError) -> StoreError {
    match error {
        WriteError::Withdrawn => StoreError::NotStarted,
        error if error.is_data_error() => {
            tracing::error!(%error, "the database refuses the data, nothing was written");
            StoreError::Rejected
        }
        // The health check logs an outage.
        WriteError::NotStarted(_) => {
            tracing::warn!(%error, "database write not started");
            StoreError::NotStarted
        }
        WriteError::Refused(_) | WriteError::Panicked => {
            tracing::error!(%error, "database write failed, nothing was written");
            StoreError::NotStarted
        }
        WriteError::Unknown(_) => {
            tracing::error!(%error, "database write failed, it may have been committed");
            StoreError::Unknown
        }
    }
}

#[async_trait]
impl Orders for DbOrders {
    async fn insert(&self, order: &Order, start_guard: StartGuard) -> Result<InsertOutcome, StoreError> {
        match self.0.write(transactions::Insert { order: order.clone(), start_guard }).await {
            Ok(()) => Ok(InsertOutcome::Inserted),
            Err(error) if error.is_unique_violation() => Ok(InsertOutcome::Conflict),
            Err(error) => Err(store_error(&error)),
        }
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.read(Find::Key(user, key.clone())).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.read(Find::Id(id)).await
    }

    async fn status(&self, id: OrderId) -> Result<Option<Status>, StoreError> {
        self.read(ReadStatus(id)).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        self.read(List { user, before, limit, items_max }).await
    }

    async fn settle(&self, token: FencingToken, settlement: &Settlement) -> Result<bool, StoreError> {
        self.write(Settle { token, settlement: settlement.clone() }).await
    }

    async fn reopen(&self, token: FencingToken) -> Result<bool, StoreError> {
        self.write(Reopen(token)).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<PendingOrder>, StoreError> {
        self.read(ReadDue { limit }).await
    }

    async fn claim(&self, token: FencingToken, lease: Duration) -> Result<bool, StoreError> {
        self.write(Claim { token, lease }).await
    }

    async fn renew(&self, orders: &[OrderId], lease: Duration) -> Result<(), StoreError> {
        for orders in orders.chunks(transactions::RENEW_MAX) {
            self.write(Renew { orders: orders.to_vec(), lease }).await?;
        }
        Ok(())
    }

    async fn record_mismatch(&self, order: OrderId) -> Result<bool, StoreError> {
        match self.0.write(mismatches::Record(order)).await {
            Ok(is_new) => Ok(is_new),
            Err(error) if error.is_unique_violation() => Ok(false),
            Err(error) => Err(store_error(&error)),
        }
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.read(ReadBacklog { limit }).await
    }
}
