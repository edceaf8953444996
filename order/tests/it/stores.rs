//! The stores that keep the contract, and what is particular to each.

mod instances;

use std::{path::Path, sync::Arc};

use database::{Database, Target};
use order::{
    adapters::db::{DbOrders, MIGRATIONS},
    domain::Order,
    ports::{Insert, Orders},
};
use sqlx::{AnyConnection, Connection, Executor};

use crate::{
    contract::keeps_every_obligation,
    fake::FakeOrders,
    samples::{NOW_MS, draft_of, id, key, user},
};
use instances::Instances;

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_keeps_the_contract() {
    keeps_every_obligation(Arc::new(FakeOrders::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    keeps_every_obligation(Arc::new(sqlite(directory.path()).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_over_one_sqlite_file_keep_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (sqlite(directory.path()).await, sqlite(directory.path()).await);
    keeps_every_obligation(Arc::new(Instances::new(vec![one, other]))).await;
}

fn url(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("orders.db").display())
}

async fn sqlite(directory: &Path) -> DbOrders {
    let target = Target::parse("sqlite", &url(directory)).unwrap();
    DbOrders::new(Database::open(&target, &MIGRATIONS).await.unwrap())
}

#[tokio::test]
async fn an_order_whose_items_cannot_be_kept_is_not_kept_either() {
    let directory = tempfile::tempdir().unwrap();
    let orders = sqlite(directory.path()).await;
    let new = |n: i64| Order::place(id(n), key(&format!("k{n}")), draft_of(user(1), 3, 12), NOW_MS);
    // In the way of the last item of the order, and of nothing else.
    let mut connection = AnyConnection::connect(&url(directory.path())).await.unwrap();
    connection.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    connection.execute("INSERT INTO order_items VALUES (7, 2, 'sku1', 12, 1)").await.unwrap();
    assert_eq!(orders.insert(&new(7)).await, Ok(Insert::Clash));
    assert_eq!(orders.find(id(7)).await, Ok(None));
    assert_eq!(orders.find_by_key(user(1), &key("k7")).await, Ok(None));
    assert_eq!(orders.insert(&new(8)).await, Ok(Insert::Inserted));
    assert_eq!(orders.list(user(1), None, 50, 1000).await.unwrap().orders, [new(8)]);
}
