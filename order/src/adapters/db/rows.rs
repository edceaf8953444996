//! Rows to orders. A status or a currency that this program does not know, since a newer one wrote it, affects
//! that order alone. Any other value that this service cannot have written is an error.

use std::time::Duration;

use money::{Currency, Money};
use sqlx::{Row, any::AnyRow};

use crate::domain::{
    ChargeRequest, Decline, Fingerprint, IdempotencyKey, Item, Order, OrderId, OrderSummary, PendingOrder,
    ProductCode, Quantity, Status, UserId,
};

/// An order without its items.
pub(super) struct Header {
    order: Order,
    item_count: u64,
}

impl Header {
    pub(super) fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let (id, user): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let decline = match (row.try_get(8)?, row.try_get(9)?) {
            (Some(reason), Some(description)) => Some(Decline { reason, description }),
            _ => None,
        };
        let order = Order {
            id: OrderId::new(id).ok_or_else(|| unreadable("orders.order_id"))?,
            user: UserId::new(user).ok_or_else(|| unreadable("orders.user_id"))?,
            key: IdempotencyKey::new(row.try_get(2)?).ok_or_else(|| unreadable("orders.idempotency_key"))?,
            fingerprint: Fingerprint::from_stored(row.try_get(3)?),
            items: Vec::new(),
            total: total(row, 5, 6)?,
            status: Status::from_stored(row.try_get(4)?),
            decline,
            fence: row.try_get(10)?,
            attempts: row.try_get(11)?,
            created_ms: row.try_get(12)?,
        };
        let item_count =
            u64::try_from(row.try_get::<i64, _>(7)?).map_err(|_| unreadable("orders.item_count"))?;
        Ok(Self { order, item_count })
    }

    pub(super) fn id(&self) -> i64 {
        self.order.id.get()
    }

    /// Whether the order has a status or a currency that this program does not know.
    pub(super) fn is_unknown(&self) -> bool {
        self.order.total.is_none() || self.order.status == Status::Unspecified
    }

    /// The order with its items. Fails unless their number is `item_count`.
    pub(super) fn with_items(mut self, rows: &[AnyRow]) -> Result<Order, sqlx::Error> {
        let Some(currency) = self.order.total.map(Money::currency) else { return Ok(self.order) };
        self.order.items = rows.iter().map(|row| read_item(row, currency)).collect::<Result<_, _>>()?;
        if self.order.items.len() as u64 == self.item_count {
            Ok(self.order)
        } else {
            Err(unreadable("order_items"))
        }
    }
}

/// A row of `statements::STATUS`.
pub(super) fn status(row: &AnyRow) -> Result<Status, sqlx::Error> {
    Ok(Status::from_stored(row.try_get(0)?))
}

/// A row of `statements::DUE`.
pub(super) fn due(row: &AnyRow) -> Result<PendingOrder, sqlx::Error> {
    let (order, user) = (order_id(row)?, user_id(row)?);
    let charge = total(row, 2, 3)?.map(|total| ChargeRequest { order, user, total });
    Ok(PendingOrder { order, charge, fence: row.try_get(4)?, pending_for: duration(row.try_get(5)?) })
}

/// A row of `statements::AUDIT_PAGE`.
pub(super) fn summary(row: &AnyRow) -> Result<OrderSummary, sqlx::Error> {
    Ok(OrderSummary {
        order: order_id(row)?,
        user: user_id(row)?,
        total: total(row, 2, 3)?,
        status: Status::from_stored(row.try_get(5)?),
        resolved: row.try_get::<Option<i64>, _>(6)?.is_some(),
        fence: row.try_get(4)?,
    })
}

/// The first column.
fn order_id(row: &AnyRow) -> Result<OrderId, sqlx::Error> {
    OrderId::new(row.try_get(0)?).ok_or_else(|| unreadable("orders.order_id"))
}

/// The second column.
fn user_id(row: &AnyRow) -> Result<UserId, sqlx::Error> {
    UserId::new(row.try_get(1)?).ok_or_else(|| unreadable("orders.user_id"))
}

/// The total; `None` if this program does not know the currency.
fn total(row: &AnyRow, currency: usize, minor: usize) -> Result<Option<Money>, sqlx::Error> {
    let (code, minor): (String, i64) = (row.try_get(currency)?, row.try_get(minor)?);
    let Ok(currency) = Currency::from_stored(&code) else { return Ok(None) };
    Money::from_minor(currency, minor).map(Some).map_err(|_| unreadable("orders.total_minor"))
}

/// Logs the orders of one read that have a status or a currency which this program does not know.
pub(super) fn log_unknown(orders: impl Iterator<Item = i64>) {
    let orders: Vec<i64> = orders.collect();
    if let Some(first) = orders.first() {
        let count = orders.len();
        tracing::warn!(
            order_id = first,
            count,
            "orders have a status or a currency that this program does not know; they are shown as unspecified"
        );
    }
}

/// A duration of milliseconds; zero if negative, since the clock may have been set back.
pub(super) fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// Assigns the items to their orders; both are sorted alike. Skips items of orders that were inserted after
/// the headers were read.
pub(super) fn assemble(
    headers: impl Iterator<Item = Header>,
    rows: &[AnyRow],
) -> Result<Vec<Order>, sqlx::Error> {
    let ids: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let mut from = 0;
    headers
        .map(|header| {
            let is_own = |index: &usize| ids[*index] == header.id();
            let first = (from..ids.len()).find(is_own).unwrap_or(from);
            from = first + (first..ids.len()).take_while(is_own).count();
            header.with_items(&rows[first..from])
        })
        .collect()
}

/// How many of `headers` make a page: at most `limit`, and as many as have at most `items_max` items
/// together, but at least one.
pub(super) fn fitting(headers: &[Header], limit: u32, items_max: u32) -> usize {
    let mut items = 0;
    let fits = headers.iter().take(limit as usize).take_while(|header| {
        items += header.item_count;
        items <= u64::from(items_max)
    });
    fits.count().max(1).min(headers.len())
}

fn read_item(row: &AnyRow, currency: Currency) -> Result<Item, sqlx::Error> {
    let (minor, quantity): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
    let quantity = i32::try_from(quantity).ok().and_then(Quantity::new);
    Ok(Item {
        product_code: ProductCode::new(row.try_get(1)?)
            .ok_or_else(|| unreadable("order_items.product_code"))?,
        unit_price: Money::from_minor(currency, minor)
            .map_err(|_| unreadable("order_items.unit_price_minor"))?,
        quantity: quantity.ok_or_else(|| unreadable("order_items.quantity"))?,
    })
}

pub(super) fn unreadable(column: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} has an invalid value").into())
}
