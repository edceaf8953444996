//! The stores of orders by contract: in memory, and on each database, alone and shared by two instances.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod contract;
#[allow(dead_code, reason = "others look into it")]
#[path = "../it/fake/orders.rs"]
mod fake;
#[allow(dead_code, reason = "others have it fail")]
#[path = "../it/fake/prices.rs"]
mod fake_prices;
mod given;
mod instances;
mod plans;
mod prices;
mod sabotage;
#[allow(dead_code, reason = "others need more of them")]
#[path = "../it/samples.rs"]
mod samples;

use std::{process::ExitCode, sync::Arc};

use database::Migrations;
use order::{
    adapters::db::{DbOrders, MIGRATIONS},
    domain::Order,
    ports::{Insert, Orders},
};
use test_support::{Failed, check, trial};

use contract::{OBLIGATIONS, broken};
use fake::FakeOrders;
use given::{Given, Kind};
use instances::Instances;
use samples::{NOW_MS, always, draft_of, id, key, user};

fn main() -> ExitCode {
    let mut trials = vec![
        trial("the fake keeps the contract", &[], || keeps(Arc::new(FakeOrders::default()))),
        trial("an order whose items cannot be kept is not kept either", &[], items_in_the_way),
        trial("the migrations of all databases have the same numbers", &[], same_numbers),
    ];
    for kind in Kind::ALL {
        let name = kind.name();
        trials.push(trial(&format!("{name} keeps the contract"), kind.needs(), move || one(kind)));
        let name = format!("two instances over {name} keep the contract");
        trials.push(trial(&name, kind.needs(), move || two(kind)));
        trials.extend(sabotage::trials(kind));
    }
    trials.extend(prices::trials());
    trials.extend(plans::trials());
    test_support::run(trials)
}

/// Fails with the obligations that `orders` do not keep.
async fn keeps(orders: Arc<dyn Orders>) -> Result<(), Failed> {
    let broken = broken(orders, OBLIGATIONS).await;
    check(broken.is_empty(), || format!("not kept: {broken:#?}"))
}

async fn one(kind: Kind) -> Result<(), Failed> {
    let given = Given::new(kind).await?;
    keeps(Arc::new(DbOrders::new(given.open().await?))).await
}

async fn two(kind: Kind) -> Result<(), Failed> {
    let given = Given::new(kind).await?;
    let (one, other) = (given.open().await?, given.open().await?);
    keeps(Arc::new(Instances::new(vec![DbOrders::new(one), DbOrders::new(other)]))).await
}

async fn items_in_the_way() -> Result<(), Failed> {
    let given = Given::new(Kind::Sqlite).await?;
    let database = given.open().await?;
    let orders = DbOrders::new(database);
    let new = |n: i64| Order::place(id(n), key(&format!("k{n}")), draft_of(user(1), 3, 12), NOW_MS);
    // In the way of the last item of the order, and of nothing else.
    given.execute("PRAGMA foreign_keys = OFF; INSERT INTO order_items VALUES (7, 2, 'sku1', 12, 1)").await?;
    assert_eq!(orders.insert(&new(7), always()).await, Ok(Insert::Clash));
    assert_eq!(orders.find(id(7)).await, Ok(None));
    assert_eq!(orders.find_by_key(user(1), &key("k7")).await, Ok(None));
    assert_eq!(orders.insert(&new(8), always()).await, Ok(Insert::Inserted));
    assert_eq!(orders.list(user(1), None, 50, 1000).await.unwrap().orders, [new(8)]);
    Ok(())
}

async fn same_numbers() -> Result<(), Failed> {
    let Migrations { sqlite, mysql, postgres } = &MIGRATIONS;
    let [sqlite, mysql, postgres] = [sqlite, mysql, postgres]
        .map(|migrator| migrator.iter().map(|migration| migration.version).collect::<Vec<_>>());
    check(sqlite == mysql && mysql == postgres, || format!("{sqlite:?}, {mysql:?}, {postgres:?}"))
}
