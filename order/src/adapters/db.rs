//! Orders in a database.
//!
//! One set of statements, written with `?` and kept to what SQLite, MySQL and PostgreSQL all take.

mod rows;

use async_trait::async_trait;
use database::{Database, is_unique_violation};
use sqlx::{Any, AssertSqlSafe, Transaction, migrate::Migrator};

use crate::{
    domain::{Guard, IdempotencyKey, Order, OrderId, Settlement, UserId},
    ports::{Insert, Orders, Page, StoreError},
};
use rows::{COLUMNS, Header};

/// The tables, version by version.
pub static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long after it became PENDING an order is due for a reconciler.
const FIRST_CHECK_MS: i64 = 2_000;

/// The store of orders over one database.
#[derive(Debug, Clone)]
pub struct DbOrders(Database);

impl DbOrders {
    /// The store over `database`, which has the tables of [`MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// Begins to write; nothing has been sent where that fails.
    async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        self.0.begin().await.map_err(|error| {
            tracing::error!(%error, "the database cannot be written to");
            StoreError::NotStarted
        })
    }

    /// Changes the one row that `update` finds, and tells whether there was one.
    async fn change(&self, update: Update<'_>) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let changed = update.execute(&mut *transaction).await.map_err(unknown)?.rows_affected();
        transaction.commit().await.map_err(unknown)?;
        Ok(changed == 1)
    }

    /// The order that a row is the head of, with its items.
    async fn with_items(&self, row: Option<sqlx::any::AnyRow>) -> Result<Option<Order>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        let header = Header::read(&row).map_err(unknown)?;
        let items = sqlx::query(
            "SELECT order_id, product_code, unit_price_minor, quantity FROM order_items
             WHERE order_id = ? ORDER BY position",
        );
        let items = items.bind(header.id()).fetch_all(self.0.reader()).await.map_err(unknown)?;
        header.with_items(&items).map(Some).map_err(unknown)
    }
}

type Update<'q> = sqlx::query::Query<'q, Any, sqlx::any::AnyArguments>;

/// From here on what was asked may have happened; the cause is logged here and nowhere else.
fn unknown(error: sqlx::Error) -> StoreError {
    tracing::error!(%error, "the database gave no answer");
    StoreError::Unknown
}

#[async_trait]
impl Orders for DbOrders {
    async fn insert(&self, order: &Order) -> Result<Insert, StoreError> {
        let mut transaction = self.begin().await?;
        match insert_rows(&mut transaction, order).await {
            Ok(()) => {}
            Err(error) if is_unique_violation(&error) => return Ok(Insert::Clash),
            Err(error) => return Err(unknown(error)),
        }
        transaction.commit().await.map_err(unknown)?;
        Ok(Insert::Inserted)
    }

    async fn find_by_key(&self, user: UserId, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM orders o WHERE o.user_id = ? AND o.idempotency_key = ?");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(user.get()).bind(key.as_str());
        self.with_items(query.fetch_optional(self.0.reader()).await.map_err(unknown)?).await
    }

    async fn find(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM orders o WHERE o.order_id = ?");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id.get());
        self.with_items(query.fetch_optional(self.0.reader()).await.map_err(unknown)?).await
    }

    async fn list(
        &self,
        user: UserId,
        before: Option<OrderId>,
        limit: u32,
        items_max: u32,
    ) -> Result<Page, StoreError> {
        let below = before.map_or(i64::MAX, OrderId::get);
        let sql = format!(
            "SELECT {COLUMNS} FROM orders o WHERE o.user_id = ? AND o.order_id < ? ORDER BY o.order_id DESC LIMIT ?"
        );
        let heads = sqlx::query(AssertSqlSafe(sql)).bind(user.get()).bind(below).bind(i64::from(limit) + 1);
        let heads = heads.fetch_all(self.0.reader()).await.map_err(unknown)?;
        let heads: Vec<Header> = heads.iter().map(Header::read).collect::<Result<_, _>>().map_err(unknown)?;
        let kept = rows::fitting(&heads, limit, items_max);
        let more = kept < heads.len();
        let Some((newest, oldest)) = heads.first().zip(heads.get(kept.saturating_sub(1))) else {
            return Ok(Page { orders: Vec::new(), more: false });
        };
        let items = sqlx::query(
            "SELECT i.order_id, i.product_code, i.unit_price_minor, i.quantity
             FROM orders o JOIN order_items i ON i.order_id = o.order_id
             WHERE o.user_id = ? AND o.order_id <= ? AND o.order_id >= ? ORDER BY o.order_id DESC, i.position",
        );
        let items = items.bind(user.get()).bind(newest.id()).bind(oldest.id());
        let items = items.fetch_all(self.0.reader()).await.map_err(unknown)?;
        let orders = rows::assemble(heads.into_iter().take(kept), &items).map_err(unknown)?;
        Ok(Page { orders, more })
    }

    async fn settle(&self, order: &Order, settlement: &Settlement) -> Result<bool, StoreError> {
        const SETTLE: &str = "UPDATE orders SET status = ?, decline_reason = ?, decline_description = ?
             WHERE order_id = ? AND status = 'PENDING'";
        const SETTLE_FENCED: &str =
            "UPDATE orders SET status = ?, decline_reason = ?, decline_description = ?
             WHERE order_id = ? AND status = 'PENDING' AND fence = ?";
        let decline = settlement.decline.as_ref();
        let update = sqlx::query(match settlement.guard {
            Guard::Pending => SETTLE,
            Guard::Fence => SETTLE_FENCED,
        });
        let update = update
            .bind(settlement.status.name())
            .bind(decline.map(|decline| decline.reason.clone()))
            .bind(decline.map(|decline| decline.description.clone()))
            .bind(order.id.get());
        self.change(match settlement.guard {
            Guard::Pending => update,
            Guard::Fence => update.bind(order.fence),
        })
        .await
    }

    async fn reopen(&self, from: &Order, to: &Order) -> Result<bool, StoreError> {
        let update = sqlx::query(
            "UPDATE orders SET status = ?, fence = ?, attempts = ?, pending_since_ms = ?, next_check_at_ms = ?
             WHERE order_id = ? AND status = ? AND status IN ('NOT_CHARGED', 'PENDING') AND fence = ?",
        );
        let update = update
            .bind(to.status.name())
            .bind(to.fence)
            .bind(to.attempts)
            .bind(to.pending_since_ms)
            .bind(to.pending_since_ms + FIRST_CHECK_MS)
            .bind(from.id.get())
            .bind(from.status.name())
            .bind(from.fence);
        self.change(update).await
    }
}

async fn insert_rows(transaction: &mut Transaction<'static, Any>, order: &Order) -> Result<(), sqlx::Error> {
    let insert = sqlx::query(
        "INSERT INTO orders (order_id, user_id, idempotency_key, fingerprint, status, currency, total_minor,
             item_count, decline_reason, decline_description, fence, attempts, created_at_ms, pending_since_ms,
             next_check_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    let decline = order.decline.as_ref();
    let item_count = i64::try_from(order.items.len()).unwrap_or(i64::MAX);
    insert
        .bind(order.id.get())
        .bind(order.user.get())
        .bind(order.key.as_str())
        .bind(order.fingerprint.as_str())
        .bind(order.status.name())
        .bind(order.total.currency().code())
        .bind(order.total.minor())
        .bind(item_count)
        .bind(decline.map(|decline| decline.reason.clone()))
        .bind(decline.map(|decline| decline.description.clone()))
        .bind(order.fence)
        .bind(order.attempts)
        .bind(order.created_ms)
        .bind(order.pending_since_ms)
        .bind(order.pending_since_ms + FIRST_CHECK_MS)
        .execute(&mut **transaction)
        .await?;
    let values = vec!["(?, ?, ?, ?, ?)"; order.items.len()].join(", ");
    let sql = format!(
        "INSERT INTO order_items (order_id, position, product_code, unit_price_minor, quantity) VALUES {values}"
    );
    let mut insert = sqlx::query(AssertSqlSafe(sql));
    for (position, item) in (0_i64..).zip(&order.items) {
        insert = insert
            .bind(order.id.get())
            .bind(position)
            .bind(item.product_code.as_str())
            .bind(item.unit_price.minor())
            .bind(i64::from(item.quantity.get()));
    }
    insert.execute(&mut **transaction).await?;
    Ok(())
}
