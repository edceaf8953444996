//! Orders and prices in a database.

mod prices;
mod rows;
mod statements;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use database::{Database, Migrations, Transaction, WriteError};

use crate::{
    domain::{Backlog, Due, Entry, Hold, IdempotencyKey, Order, OrderId, Settlement, UserId},
    ports::{Insert, Orders, Page, Permit, StoreError},
};
pub use prices::{DbPrices, Prices};
use work::{Claim, Find, List, ReadBacklog, ReadDue, ReadEntries, Reopen, Settle};

/// The tables, version by version.
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    mysql: sqlx::migrate!("migrations/mysql"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// The store of orders over one database.
#[derive(Debug, Clone)]
pub struct DbOrders(Database);

impl DbOrders {
    /// The store over `database`, which has the tables of [`MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// The orders with ids above `after` as the books have them, lowest first, `limit` at most: for an audit.
    ///
    /// # Errors
    ///
    /// [`StoreError`]
    pub async fn entries(&self, after: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.read(ReadEntries { after, limit }).await
    }

    async fn read<W: Transaction>(&self, work: W) -> Result<W::Output, StoreError> {
        self.0.read(work).await.map_err(|error| {
            tracing::error!(%error, "the database gave no answer");
            StoreError::Unknown
        })
    }

    async fn write<W: Transaction>(&self, work: W) -> Result<W::Output, StoreError> {
        self.0.write(work).await.map_err(|error| failed(&error))
    }
}

/// What the caller is told; the cause is logged here and nowhere else.
fn failed(error: &WriteError) -> StoreError {
    match error {
        WriteError::Withdrawn => StoreError::NotStarted,
        WriteError::NotStarted(_) | WriteError::Refused(_) | WriteError::Panicked => {
            tracing::error!(%error, "the database wrote nothing");
            StoreError::NotStarted
        }
        WriteError::Unknown(_) => {
            tracing::error!(%error, "the database may have written, or not");
            StoreError::Unknown
        }
    }
}

#[async_trait]
impl Orders for DbOrders {
    async fn insert(&self, order: &Order, permit: Permit) -> Result<Insert, StoreError> {
        match self.0.write(work::Insert { order: order.clone(), permit }).await {
            Ok(()) => Ok(Insert::Inserted),
            Err(error) if error.is_unique_violation() => Ok(Insert::Clash),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.read(Find::Key(user, key.clone())).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.read(Find::Id(id)).await
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

    async fn settle(&self, hold: Hold, settlement: &Settlement) -> Result<bool, StoreError> {
        self.write(Settle { hold, settlement: settlement.clone() }).await
    }

    async fn reopen(&self, hold: Hold) -> Result<bool, StoreError> {
        self.write(Reopen(hold)).await
    }

    async fn due(&self, limit: u32) -> Result<Vec<Due>, StoreError> {
        self.read(ReadDue { limit }).await
    }

    async fn claim(&self, hold: Hold, again_in: Duration) -> Result<bool, StoreError> {
        self.write(Claim { hold, again_in }).await
    }

    async fn backlog(&self, limit: u32) -> Result<Backlog, StoreError> {
        self.read(ReadBacklog { limit }).await
    }
}
