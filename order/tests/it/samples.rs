//! Orders to place, made from as few words as a test needs.

use std::sync::Arc;

use money::{Currency, Money};
use order::domain::{Decline, Draft, IdempotencyKey, Item, Order, OrderId, ProductCode, Quantity, UserId};
use order::ports::Permit;

/// 2026-11-23T06:00:00.123Z
pub(crate) const NOW_MS: i64 = 1_795_413_600_123;

/// The permit of a caller that waits as long as it takes.
pub(crate) fn always() -> Permit {
    Arc::new(|| true)
}

pub(crate) fn user(id: i64) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn id(id: i64) -> OrderId {
    OrderId::new(id).unwrap()
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text.to_owned()).unwrap()
}

pub(crate) fn item(product_code: &str, unit_price: Money, quantity: i32) -> Item {
    Item {
        product_code: ProductCode::new(product_code.to_owned()).unwrap(),
        unit_price,
        quantity: Quantity::new(quantity).unwrap(),
    }
}

pub(crate) fn dollars(minor: i64) -> Money {
    Money::from_minor(Currency::USD, minor).unwrap()
}

/// One piece at this price, in cents.
pub(crate) fn draft(user: UserId, minor: i64) -> Draft {
    draft_of(user, 1, minor)
}

/// So many items at this price each, in cents.
pub(crate) fn draft_of(user: UserId, items: usize, minor: i64) -> Draft {
    Draft::new(user, vec![item("sku1", dollars(minor), 1); items]).unwrap()
}

/// A new order with these names, of a single item.
pub(crate) fn order(order: OrderId, user: UserId, key: IdempotencyKey) -> Order {
    Order::place(order, key, draft(user, 12), NOW_MS)
}

/// A decline with everything that a text column could spoil.
pub(crate) fn decline() -> Decline {
    Decline {
        reason: "INSUFFICIENT_BALANCE".to_owned(),
        description: "insufficient balance\n\n  'quoted', \"twice\" \\n ? $1 %s\n😀 naïve\n".to_owned(),
    }
}
