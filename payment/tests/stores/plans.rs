//! What the store of payments asks of each database: written down, cheap, and taken from a program one version older.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use database::{Connection, DatabaseUrl, Driver, NOW_MS, Transaction};
use payment::adapters::db::{AUDIT, MIGRATIONS};
use sqlx::{AssertSqlSafe, Row};
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
    statements::{Plan, Statements, capture_statements, isolate},
    trial,
};

use crate::{
    accounts,
    books::{CHARGED, DbBooks, execute},
    ledger,
    stores::{Place, Store},
};

/// Where the statements of this version are, which is called after its newest migration.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statements/0002.sql");
const VALUES: &[(&str, &str)] = &[("currency = ?", "currency = 'EUR'"), ("LIMIT ?", "LIMIT 10")];
const NEWEST: Statements =
    Statements { text: include_str!("../statements/0002.sql"), values: VALUES, page: None };
const BEFORE: Statements =
    Statements { text: include_str!("../statements/0001.sql"), values: VALUES, page: None };
const PLANTED: &[&str] = &[
    "SELECT * FROM payments WHERE status = 'CHARGED' ORDER BY created_at_ms",
    "SELECT * FROM account_changes WHERE user_id = 1 ORDER BY changed_at_ms",
    "SELECT order_id FROM payments ORDER BY order_id LIMIT 10",
];
const WRITTEN_DOWN: &str = "the statements of the contract are written down";

/// A hundred payments and changes of each of 200 customers, and 20,000 accounts.
const FILL: &str = "
INSERT INTO payments (order_id, payment_id, status, bill_id, user_id, currency, amount_minor, created_at_ms)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
SELECT (nth.i - 1) * 200 + owner.i, (nth.i - 1) * 200 + owner.i, 'CHARGED', (nth.i - 1) * 200 + owner.i, owner.i,
    'EUR', 1, nth.i
FROM n owner CROSS JOIN n nth WHERE nth.i <= 100;
INSERT INTO accounts (user_id, currency, credit_limit_minor, charged_minor, created_at_ms)
SELECT order_id, 'EUR', 100, 1, 1 FROM payments;
INSERT INTO account_changes (change_id, user_id, currency, changed_at_ms, operator, limit_after_minor)
SELECT payment_id, user_id, 'EUR', 1, 'o', 1 FROM payments;
";

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let of_each = Place::DATABASES.into_iter().flat_map(|place| {
        let cheap = format!("{place:?} scans no table and sorts no more than a page");
        let taken = format!("{place:?} takes the statements of the version before");
        [
            trial(&cheap, place.needs(), move || are_cheap(place)),
            trial(&taken, place.needs(), move || are_taken(place)),
        ]
    });
    of_each.chain([trial(WRITTEN_DOWN, &[], are_written_down)])
}

async fn are_written_down() -> Result<(), Failed> {
    if !isolate(WRITTEN_DOWN).await? {
        return Ok(());
    }
    let newest = MIGRATIONS.sqlite.iter().map(|migration| migration.version).max().unwrap();
    check(FILE.ends_with(&format!("/{newest:04}.sql")), || {
        format!("{FILE} is not that of migration {newest}")
    })?;
    let mut stores = Vec::new();
    for &(_, clause) in ledger::CLAUSES.iter().chain(accounts::CLAUSES) {
        stores.push((clause, Store::new(Place::Sqlite).await?));
    }
    let sent = capture_statements()?;
    for (clause, store) in stores {
        clause(store).await;
    }
    // What the contract itself looks into the books with.
    sent.compare(Path::new(FILE), &[AUDIT, CHARGED], (Driver::Sqlite.now_ms(), NOW_MS))
}

async fn are_cheap(place: Place) -> Result<(), Failed> {
    let filled = Asked::of(place).await?;
    filled.fill().await?;
    NEWEST.check_plans(PLANTED, async |statement| filled.plan(statement).await).await
}

async fn are_taken(place: Place) -> Result<(), Failed> {
    let empty = Asked::of(place).await?;
    BEFORE.check_accepted("accounts", async |statement| empty.execute(statement).await).await
}

/// A database of its own, after the migrations.
enum Asked {
    File(DbBooks),
    Served(Arc<Server>, String),
}

impl Asked {
    async fn of(place: Place) -> Result<Self, Failed> {
        let (kind, driver) = match place {
            Place::MariaDb => (Kind::MariaDb, "mysql"),
            Place::Postgres => (Kind::Postgres, "postgres"),
            _ => return Ok(Self::File(DbBooks::in_file().await)),
        };
        let server = Server::shared(kind).await?;
        let name = server.new_database().await?;
        DbBooks::over(&DatabaseUrl::parse(driver, &server.url(&name))?).await;
        Ok(Self::Served(server, name))
    }

    async fn fill(&self) -> Result<(), Failed> {
        match self {
            Self::File(books) => {
                execute(&books.database, FILL).await;
                execute(&books.database, "ANALYZE").await;
            }
            Self::Served(server, name) => {
                let analyze = match server.kind() {
                    Kind::MariaDb => "ANALYZE TABLE accounts, payments, account_changes",
                    Kind::Postgres => "ANALYZE",
                };
                server.execute(name, &format!("{FILL}{analyze}")).await?;
            }
        }
        Ok(())
    }

    async fn execute(&self, statement: String) -> Result<(), Failed> {
        match self {
            Self::File(books) => execute(&books.database, statement).await,
            Self::Served(server, name) => drop(server.execute(name, &statement).await?),
        }
        Ok(())
    }

    async fn plan(&self, statement: String) -> Result<Plan, Failed> {
        match self {
            Self::File(books) => Ok(Plan::Sqlite(books.database.read(Explain(statement)).await?)),
            Self::Served(server, name) => Plan::explain(server, name, &statement).await,
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
