//! The store of orders.

use std::sync::Arc;

use database::{Config, Database};
use order::{
    adapters::db::{DbOrders, MIGRATIONS},
    domain::{Guard, IdempotencyKey, Order, OrderId, Settlement, Status, UserId},
    ports::{InsertOutcome, Orders as _},
};
use uuid::Uuid;

use crate::figures::Failure;

pub(crate) async fn open(config: &Config) -> Result<DbOrders, Failure> {
    Ok(DbOrders::new(Database::open(config, &MIGRATIONS).await?))
}

/// Writes what placing an order writes: an INSERT as PENDING, then the settlement as PAID.
pub(crate) async fn create(orders: &DbOrders, id: i64, user: i64) -> Result<(), Failure> {
    let order = order(id, user)?;
    let inserted = orders.insert(&order, Arc::new(|| true)).await?;
    let paid = Settlement { status: Status::Paid, decline: None, guard: Guard::Pending };
    if inserted == InsertOutcome::Inserted && orders.settle(order.fencing_token(), &paid).await? {
        Ok(())
    } else {
        Err("a failed write invalidates the run".into())
    }
}

fn order(id: i64, user: i64) -> Result<Order, Failure> {
    let key = IdempotencyKey::new(Uuid::new_v4().to_string()).ok_or("not a key")?;
    let id = OrderId::new(id).ok_or("not an id")?;
    Ok(test_support::order::order(id, UserId::new(user).ok_or("not a user")?, key))
}
