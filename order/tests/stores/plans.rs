//! The SQL statements: recorded in a file, checked for cheap plans, and those of the previous version against
//! this schema.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use database::{Connection, Database, Driver, NOW_MS, Transaction};
use order::adapters::db::{DbOrders, DbPrices, MIGRATIONS};
use sqlx::{AssertSqlSafe, Row};
use test_support::{
    Failed, Trial, check, server,
    statements::{Plan, Statements, capture_statements, isolate},
    trial,
};

use crate::{
    database_fixture::{Kind, TestDatabase},
    meets_contract, prices,
};

/// The file with the statements of this version, named by the newest migration.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statements/0004.sql");
/// Values for a user with a hundred orders who lists the older half, and for an order of three products.
const VALUES: &[(&str, &str)] = &[
    ("LIMIT ?", "LIMIT 51"),
    ("order_id < ?", "order_id < '20000'"),
    ("order_id <= ?", "order_id <= '20000'"),
    ("order_id >= ?", "order_id >= '10000'"),
    ("currency = ? AND product_code IN (?)", "currency = 'EUR' AND product_code IN ('2', '4', '6')"),
];
/// The items of a page of orders, whose bounds come from the statement before.
const PAGE: Option<&str> = Some("o.order_id <= ? AND o.order_id >= ?");
const NEWEST: Statements =
    Statements { text: include_str!("../statements/0004.sql"), values: VALUES, page: PAGE };
const BEFORE: Statements =
    Statements { text: include_str!("../statements/0003.sql"), values: VALUES, page: PAGE };
const PLANTED: &[&str] = &[
    "SELECT * FROM orders WHERE status = 'PAID' ORDER BY created_at_ms",
    "SELECT order_id FROM orders ORDER BY order_id LIMIT 10",
    "SELECT quantity FROM order_items WHERE position = 1",
    "SELECT product_code FROM prices WHERE currency = 'EUR'",
];
/// Statements of operators, which may scan a table.
const BY_OPERATORS: &[&str] = &["DELETE FROM prices"];
const RECORDED: &str = "the statements of the contract are recorded";

/// A hundred orders of each of 200 users, the last pending, three items each; and 4,000 prices.
const FILL: &str = "
INSERT INTO orders (order_id, user_id, idempotency_key, fingerprint, status, currency, total_minor, item_count,
    fence, attempts, created_at_ms, pending_since_ms, next_check_at_ms)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
SELECT (nth.i - 1) * 200 + owner.i, owner.i, nth.i, 'f',
    CASE WHEN nth.i = 100 THEN 'PENDING' ELSE 'PAID' END, 'EUR', 3, 3, 1, 1, nth.i, nth.i, nth.i
FROM n owner CROSS JOIN n nth WHERE nth.i <= 100;
INSERT INTO order_items (order_id, position, product_code, unit_price_minor, quantity)
SELECT o.order_id, p.position, 'sku', 1, 1
FROM orders o CROSS JOIN (SELECT 0 AS position UNION ALL SELECT 1 UNION ALL SELECT 2) p;
INSERT INTO mismatches (order_id, found_at_ms) SELECT order_id, 1 FROM orders;
INSERT INTO prices (product_code, currency, unit_price_minor)
SELECT order_id, CASE WHEN order_id % 2 = 0 THEN 'EUR' ELSE 'USD' END, 3 FROM orders WHERE order_id <= 4000;
";

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let of_each = Kind::ALL.into_iter().flat_map(|kind| {
        let name = kind.name();
        [
            trial(&format!("{name} scans no table and sorts at most a page"), kind.needs(), move || {
                check_plans(kind)
            }),
            trial(
                &format!("{name} accepts the statements of the previous version"),
                kind.needs(),
                move || check_previous_version(kind),
            ),
        ]
    });
    of_each.chain([trial(RECORDED, &[], check_recorded)])
}

async fn check_recorded() -> Result<(), Failed> {
    if !isolate(RECORDED).await? {
        return Ok(());
    }
    let newest = MIGRATIONS.sqlite.iter().map(|migration| migration.version).max().unwrap();
    check(FILE.ends_with(&format!("/{newest:04}.sql")), || {
        format!("{FILE} is not that of migration {newest}")
    })?;
    let test_database = TestDatabase::new(Kind::Sqlite).await?;
    let database = test_database.open().await?;
    let (orders, prices) = (DbOrders::new(database.clone()), DbPrices::new(database));
    let statements = capture_statements()?;
    meets_contract(vec![Arc::new(orders)]).await?;
    prices::meets_contract(Arc::new(prices)).await?;
    statements.compare(Path::new(FILE), BY_OPERATORS, (Driver::Sqlite.now_ms(), NOW_MS))
}

async fn check_plans(kind: Kind) -> Result<(), Failed> {
    let test_database = TestDatabase::new(kind).await?;
    let database = test_database.open().await?;
    let analyze = if kind == Kind::MariaDb {
        "ANALYZE TABLE orders, order_items, prices, mismatches"
    } else {
        "ANALYZE"
    };
    test_database.execute(&format!("{FILL}{analyze}")).await?;
    NEWEST.check_plans(PLANTED, async |statement| plan(&test_database, &database, statement).await).await
}

async fn check_previous_version(kind: Kind) -> Result<(), Failed> {
    let test_database = TestDatabase::new(kind).await?;
    test_database.open().await?;
    let now_ms = driver(kind).now_ms();
    BEFORE
        .check_accepted("orders", async |statement| {
            test_database.execute(&statement.replace(NOW_MS, now_ms)).await
        })
        .await
}

fn driver(kind: Kind) -> Driver {
    match kind {
        Kind::Sqlite => Driver::Sqlite,
        Kind::MariaDb => Driver::MySql,
        Kind::Postgres => Driver::Postgres,
    }
}

async fn plan(test_database: &TestDatabase, database: &Database, statement: String) -> Result<Plan, Failed> {
    match test_database {
        TestDatabase::File(_) => Ok(Plan::Sqlite(database.read(Explain(statement)).await?)),
        TestDatabase::Served(server, name) => {
            let driver =
                if server.kind() == server::Kind::MariaDb { Driver::MySql } else { Driver::Postgres };
            Plan::explain(server, name, &statement.replace(NOW_MS, driver.now_ms())).await
        }
    }
}

struct Explain(String);

#[async_trait]
impl Transaction for Explain {
    type Output = String;

    async fn run(&self, connection: &mut Connection) -> Result<String, sqlx::Error> {
        let query = connection.query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", self.0)));
        let rows = query.fetch_all(connection.executor()).await?;
        let details: Vec<String> = rows.iter().map(|row| row.try_get(3)).collect::<Result<_, _>>()?;
        Ok(details.join("\n"))
    }
}
