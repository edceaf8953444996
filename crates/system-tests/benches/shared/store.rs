//! The store of orders, and one order through it.

use std::sync::Arc;

use database::{Config, Database};
use money::{Currency, Money};
use order::{
    adapters::db::{DbOrders, MIGRATIONS},
    domain::{
        Draft, Guard, IdempotencyKey, Item, Order, OrderId, ProductCode, Quantity, Settlement, Status, UserId,
    },
    ports::{Insert, Orders as _},
};
use uuid::Uuid;

use crate::figures::Failure;

pub(crate) async fn open(config: &Config) -> Result<DbOrders, Failure> {
    Ok(DbOrders::new(Database::open(config, &MIGRATIONS).await?))
}

/// What placing an order writes: it is inserted PENDING, then settled PAID.
pub(crate) async fn create(orders: &DbOrders, id: i64, user: i64) -> Result<(), Failure> {
    let order = order(id, user)?;
    let inserted = orders.insert(&order, Arc::new(|| true)).await?;
    let paid = Settlement { status: Status::Paid, decline: None, guard: Guard::Pending };
    if inserted == Insert::Inserted && orders.settle(order.hold(), &paid).await? {
        Ok(())
    } else {
        Err("an order that was not written voids the run".into())
    }
}

fn order(id: i64, user: i64) -> Result<Order, Failure> {
    let item = Item {
        product_code: ProductCode::new("sku1".to_owned()).ok_or("not a code")?,
        unit_price: Money::from_minor(Currency::USD, 12)?,
        quantity: Quantity::new(1).ok_or("not a quantity")?,
    };
    let user = UserId::new(user).ok_or("not a user")?;
    let draft = Draft::new(user, vec![item]).map_err(|_| "not a draft")?;
    let key = IdempotencyKey::new(Uuid::new_v4().to_string()).ok_or("not a key")?;
    Ok(Order::place(OrderId::new(id).ok_or("not an id")?, key, draft, 1_795_413_600_123))
}
