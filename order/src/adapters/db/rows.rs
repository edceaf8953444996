//! From rows to orders. A row that no order could have written is an error, never a guess.

use std::time::Duration;

use money::{Currency, Money};
use sqlx::{Row, any::AnyRow};

use crate::domain::{
    ChargeRequest, Decline, Due, Entry, Fingerprint, IdempotencyKey, Item, Order, OrderId, ProductCode,
    Quantity, Status, UserId,
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

    /// The order with its items, whose number must be the one that was stored with it.
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

/// An order that is due, as `statements::DUE` reads it.
pub(super) fn due(row: &AnyRow) -> Result<Due, sqlx::Error> {
    Ok(Due { charge: charge(row)?, fence: row.try_get(4)?, pending_for: duration(row.try_get(5)?) })
}

/// An order as the books have it, as `statements::ENTRIES` reads it.
pub(super) fn entry(row: &AnyRow) -> Result<Entry, sqlx::Error> {
    let status: String = row.try_get(5)?;
    let status = Status::from_name(&status).ok_or_else(|| unreadable("orders.status"))?;
    Ok(Entry { charge: charge(row)?, status, fence: row.try_get(4)? })
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

/// So many milliseconds, none where the clock was set back meanwhile.
pub(super) fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// Puts the items, which come in the order of the heads, to the orders that they belong to. Items of other
/// orders among them are those of orders that were placed after the heads had been read.
pub(super) fn assemble(
    heads: impl Iterator<Item = Header>,
    rows: &[AnyRow],
) -> Result<Vec<Order>, sqlx::Error> {
    let ids: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let mut from = 0;
    heads
        .map(|head| {
            let is_theirs = |index: &usize| ids[*index] == head.id();
            let first = (from..ids.len()).find(is_theirs).unwrap_or(from);
            from = first + (first..ids.len()).take_while(is_theirs).count();
            head.with_items(&rows[first..from])
        })
        .collect()
}

/// How many of `heads` make a page: at most `limit`, and only the first where more would come to over
/// `items_max` items.
pub(super) fn fitting(heads: &[Header], limit: u32, items_max: u32) -> usize {
    let mut items = 0;
    let fits = heads.iter().take(limit as usize).take_while(|head| {
        items += head.item_count;
        items <= u64::from(items_max)
    });
    fits.count().max(1).min(heads.len())
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
    sqlx::Error::Decode(format!("{column} holds what was never written").into())
}
