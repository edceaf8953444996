//! Contract tests of the stores of orders and prices: in memory, and on each database with one instance and
//! with two.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod contract;
mod database_fixture;
mod plans;
mod prices;
mod unknown_values;

use std::{process::ExitCode, sync::Arc};

use database::Migrations;
use order::{
    adapters::db::{DbOrders, MIGRATIONS},
    ports::{InsertOutcome, Orders, StoreError},
};
use test_support::{
    Failed, check,
    order::{FakeOrders, always, id, items, key, order_of, user},
    trial,
};

use contract::violations;
use database_fixture::{Kind, TestDatabase};

fn main() -> ExitCode {
    let mut trials = vec![
        trial("the fake meets the contract", &[], || meets_contract(vec![Arc::new(FakeOrders::default())])),
        trial("an order whose items cannot be inserted is not inserted", &[], conflicting_item),
        trial("the migrations of all databases have the same numbers", &[], same_numbers),
        trial("the schema names every table with a column of it", &[], named_tables),
    ];
    for kind in Kind::ALL {
        let name = kind.name();
        trials.push(trial(&format!("{name} meets the contract"), kind.needs(), move || instances(kind, 1)));
        if kind != Kind::Sqlite {
            let name = format!("{name} refuses the data of an order for good");
            trials.push(trial(&name, kind.needs(), move || refused_data(kind)));
        }
        let name = format!("two instances over {name} meet the contract");
        trials.push(trial(&name, kind.needs(), move || instances(kind, 2)));
    }
    trials.extend(prices::trials());
    trials.extend(unknown_values::trials());
    trials.extend(plans::trials());
    test_support::run(trials)
}

/// Fails with the requirements that `instances` of one store do not meet.
async fn meets_contract(instances: Vec<Arc<dyn Orders>>) -> Result<(), Failed> {
    let violations = violations(instances).await;
    check(violations.is_empty(), || format!("violated: {violations:#?}"))
}

async fn instances(kind: Kind, count: usize) -> Result<(), Failed> {
    let database = TestDatabase::new(kind).await?;
    let mut instances: Vec<Arc<dyn Orders>> = Vec::new();
    for _ in 0..count {
        instances.push(Arc::new(DbOrders::new(database.open().await?)));
    }
    meets_contract(instances).await
}

async fn conflicting_item() -> Result<(), Failed> {
    let database = TestDatabase::new(Kind::Sqlite).await?;
    let orders = DbOrders::new(database.open().await?);
    let new = |n: i64| order_of(id(n), user(1), key(&format!("k{n}")), &items(3, 12));
    // Conflicts with the last item of order 7, and with nothing else.
    let row = "PRAGMA foreign_keys = OFF; INSERT INTO order_items VALUES (7, 2, 'sku1', 12, 1)";
    database.execute(row).await?;
    assert_eq!(orders.insert(&new(7), always()).await, Ok(InsertOutcome::Conflict));
    assert_eq!(orders.find(id(7)).await, Ok(None));
    assert_eq!(orders.find_by_key(user(1), &key("k7")).await, Ok(None));
    assert_eq!(orders.insert(&new(8), always()).await, Ok(InsertOutcome::Inserted));
    assert_eq!(orders.list(user(1), None, 50, 1000).await.unwrap().orders, [new(8)]);
    Ok(())
}

async fn same_numbers() -> Result<(), Failed> {
    let Migrations { sqlite, mysql, postgres, .. } = &MIGRATIONS;
    let [sqlite, mysql, postgres] = [sqlite, mysql, postgres]
        .map(|migrator| migrator.iter().map(|migration| migration.version).collect::<Vec<_>>());
    check(sqlite == mysql && mysql == postgres, || format!("{sqlite:?}, {mysql:?}, {postgres:?}"))
}

async fn named_tables() -> Result<(), Failed> {
    let database = TestDatabase::new(Kind::Sqlite).await?;
    // Reads each column.
    let orders = database.open().await?;
    drop(database.open().await?);
    let tables = orders.read(Tables).await?;
    let mut named: Vec<_> = MIGRATIONS.tables.iter().map(|table| table.name.to_owned()).collect();
    named.sort();
    check(tables == named, || format!("{tables:?}, {named:?}"))
}

/// The names of the tables, sorted.
struct Tables;

#[async_trait::async_trait]
impl database::Transaction for Tables {
    type Output = Vec<String>;

    async fn run(&self, connection: &mut database::Connection) -> Result<Vec<String>, sqlx::Error> {
        let query = connection
            .query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY 1");
        let rows = query.fetch_all(connection.executor()).await?;
        rows.iter().map(|row| sqlx::Row::try_get(row, 0)).collect()
    }
}

/// A column that holds less than the program expects.
async fn refused_data(kind: Kind) -> Result<(), Failed> {
    let database = TestDatabase::new(kind).await?;
    let orders = DbOrders::new(database.open().await?);
    database.execute(match kind {
        Kind::Postgres => "ALTER TABLE order_items ALTER COLUMN product_code TYPE VARCHAR(2)",
        _ => "ALTER TABLE order_items MODIFY product_code VARCHAR(2) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
    })
    .await?;
    let new = order_of(id(7), user(1), key("k"), &items(1, 12));
    assert_eq!(orders.insert(&new, always()).await, Err(StoreError::Rejected));
    assert_eq!(orders.find(id(7)).await, Ok(None));
    Ok(())
}
