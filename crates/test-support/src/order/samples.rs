//! Sample values and orders.

use std::sync::Arc;

use money::{Currency, Money};
use order::{
    domain::{
        CreateOrder, Decline, Draft, IdempotencyKey, Item, Order, OrderId, ProductCode, Quantity,
        RequestedItem, UserId,
    },
    ports::StartGuard,
};

/// 2026-11-23T06:00:00.123Z
pub const NOW_MS: i64 = 1_795_413_600_123;

/// A guard that lets every write start.
pub fn always() -> StartGuard {
    Arc::new(|| true)
}

/// A user id.
pub fn user(id: i64) -> UserId {
    UserId::new(id).unwrap()
}

/// An order id.
pub fn id(id: i64) -> OrderId {
    OrderId::new(id).unwrap()
}

/// An idempotency key.
pub fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text.to_owned()).unwrap()
}

/// A product code.
pub fn code(text: &str) -> ProductCode {
    ProductCode::new(text.to_owned()).unwrap()
}

/// An amount of `minor` US cents.
pub fn dollars(minor: i64) -> Money {
    Money::from_minor(Currency::USD, minor).unwrap()
}

/// An item.
pub fn item(product_code: &str, unit_price: Money, quantity: i32) -> Item {
    Item { product_code: code(product_code), unit_price, quantity: Quantity::new(quantity).unwrap() }
}

/// `count` items, each one piece of `sku1` for `minor` US cents.
pub fn items(count: usize, minor: i64) -> Vec<Item> {
    vec![item("sku1", dollars(minor), 1); count]
}

/// A command for one piece of `sku1` for `minor` US cents.
pub fn command(user: UserId, minor: i64) -> CreateOrder {
    command_of(user, &items(1, minor))
}

/// A command for `items`, each with its unit price.
pub fn command_of(user: UserId, items: &[Item]) -> CreateOrder {
    let requested = |item: &Item| RequestedItem {
        product_code: item.product_code.clone(),
        unit_price: Some(item.unit_price),
        quantity: item.quantity,
    };
    let currency = items[0].unit_price.currency();
    CreateOrder::new(user, currency, items.iter().map(requested).collect()).unwrap()
}

/// The draft of an order of `items`.
pub fn draft(user: UserId, items: &[Item]) -> Draft {
    command_of(user, items).priced(None).unwrap()
}

/// A new order of one piece of `sku1` for 12 US cents.
pub fn order(id: OrderId, user: UserId, key: IdempotencyKey) -> Order {
    order_of(id, user, key, &items(1, 12))
}

/// A new order of `items`.
pub fn order_of(id: OrderId, user: UserId, key: IdempotencyKey, items: &[Item]) -> Order {
    Order::place(id, key, draft(user, items), NOW_MS)
}

/// A decline whose description has line ends, quotes, placeholders and characters of four bytes.
pub fn decline() -> Decline {
    Decline {
        reason: "INSUFFICIENT_BALANCE".to_owned(),
        description: "insufficient balance\n\n  'quoted', \"twice\" \\n ? $1 %s\n😀 naïve\n".to_owned(),
    }
}
