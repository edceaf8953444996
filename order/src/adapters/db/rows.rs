//! Rows to orders. A row that this service cannot have written is an error.

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
        let (id, user, total): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(6)?);
        let (status, currency): (String, String) = (row.try_get(4)?, row.try_get(5)?);
        let currency = Currency::from_code(&currency).map_err(|_| unreadable("orders.currency"))?;
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
            total: Money::from_minor(currency, total).map_err(|_| unreadable("orders.total_minor"))?,
            status: Status::from_name(&status).ok_or_else(|| unreadable("orders.status"))?,
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

    /// The order with its items. Fails unless their number is `item_count`.
    pub(super) fn with_items(mut self, rows: &[AnyRow]) -> Result<Order, sqlx::Error> {
        let currency = self.order.total.currency();
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
    let status: String = row.try_get(0)?;
    Status::from_name(&status).ok_or_else(|| unreadable("orders.status"))
}

/// A row of `statements::DUE`.
pub(super) fn due(row: &AnyRow) -> Result<PendingOrder, sqlx::Error> {
    Ok(PendingOrder { charge: charge(row)?, fence: row.try_get(4)?, pending_for: duration(row.try_get(5)?) })
}

/// A row of `statements::AUDIT_PAGE`.
pub(super) fn summary(row: &AnyRow) -> Result<OrderSummary, sqlx::Error> {
    let status: String = row.try_get(5)?;
    let status = Status::from_name(&status).ok_or_else(|| unreadable("orders.status"))?;
    let resolved = row.try_get::<Option<i64>, _>(6)?.is_some();
    Ok(OrderSummary { charge: charge(row)?, status, resolved, fence: row.try_get(4)? })
}

fn charge(row: &AnyRow) -> Result<ChargeRequest, sqlx::Error> {
    let (order, user, currency): (i64, i64, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let currency = Currency::from_code(&currency).map_err(|_| unreadable("orders.currency"))?;
    Ok(ChargeRequest {
        order: OrderId::new(order).ok_or_else(|| unreadable("orders.order_id"))?,
        user: UserId::new(user).ok_or_else(|| unreadable("orders.user_id"))?,
        total: Money::from_minor(currency, row.try_get(3)?).map_err(|_| unreadable("orders.total_minor"))?,
    })
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
