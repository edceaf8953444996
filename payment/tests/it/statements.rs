//! The SQL statements of the adapters: equal to the committed list, with cheap plans, and those of the
//! previous version accepted by the current schema.

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
    contract::{
        self,
        stores::{Backend, Store},
    },
    fixtures::{SELECT_CHARGED, TestDatabase, execute},
};

/// The statements of this version; the file is named after the newest migration.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statements/0002.sql");
const VALUES: &[(&str, &str)] = &[("currency = ?", "currency = 'EUR'"), ("LIMIT ?", "LIMIT 10")];
const NEWEST: Statements =
    Statements { text: include_str!("../statements/0002.sql"), values: VALUES, page: None };
const PREVIOUS: Statements =
    Statements { text: include_str!("../statements/0001.sql"), values: VALUES, page: None };
const PLANTED: &[&str] = &[
    "SELECT * FROM payments WHERE status = 'CHARGED' ORDER BY created_at_ms",
    "SELECT * FROM account_changes WHERE user_id = 1 ORDER BY changed_at_ms",
    "SELECT order_id FROM payments ORDER BY order_id LIMIT 10",
];
const COMMITTED: &str = "statements::the_committed_statements_are_current";

/// 100 payments and limit changes of each of 200 customers, and 20,000 accounts.
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
    let of_each = Backend::DATABASES.into_iter().flat_map(|backend| {
        let plans = format!("statements::{backend:?}::no_statement_scans_a_table_or_sorts");
        let previous = format!("statements::{backend:?}::statements_of_the_previous_version_are_accepted");
        [
            trial(&plans, backend.needs(), move || have_cheap_plans(backend)),
            trial(&previous, backend.needs(), move || are_accepted(backend)),
        ]
    });
    of_each.chain([trial(COMMITTED, &[], are_committed)])
}

async fn are_committed() -> Result<(), Failed> {
    if !isolate(COMMITTED).await? {
        return Ok(());
    }
    let newest = MIGRATIONS.sqlite.iter().map(|migration| migration.version).max().unwrap();
    check(FILE.ends_with(&format!("/{newest:04}.sql")), || {
        format!("{FILE} is not that of migration {newest}")
    })?;
    let mut stores = Vec::new();
    for (_, test) in contract::tests() {
        stores.push((test, Store::new(Backend::Sqlite).await?));
    }
    let log = capture_statements()?;
    for (test, store) in stores {
        test(store).await;
    }
    log.compare(Path::new(FILE), &[AUDIT, SELECT_CHARGED], (Driver::Sqlite.now_ms(), NOW_MS))
}

async fn have_cheap_plans(backend: Backend) -> Result<(), Failed> {
    let filled = Schema::of(backend).await?;
    filled.fill().await?;
    NEWEST.check_plans(PLANTED, async |statement| filled.plan(statement).await).await
}

async fn are_accepted(backend: Backend) -> Result<(), Failed> {
    let empty = Schema::of(backend).await?;
    PREVIOUS.check_accepted("accounts", async |statement| empty.execute(statement).await).await
}

/// A new database with the schema.
enum Schema {
    File(TestDatabase),
    Server(Arc<Server>, String),
}

impl Schema {
    async fn of(backend: Backend) -> Result<Self, Failed> {
        let (kind, driver) = match backend {
            Backend::MariaDb => (Kind::MariaDb, "mysql"),
            Backend::Postgres => (Kind::Postgres, "postgres"),
            _ => return Ok(Self::File(TestDatabase::in_file().await)),
        };
        let server = Server::shared(kind).await?;
        let name = server.new_database().await?;
        TestDatabase::open(&DatabaseUrl::parse(driver, &server.url(&name))?).await;
        Ok(Self::Server(server, name))
    }

    async fn fill(&self) -> Result<(), Failed> {
        match self {
            Self::File(file) => {
                execute(&file.database, FILL).await;
                execute(&file.database, "ANALYZE").await;
            }
            Self::Server(server, name) => {
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
            Self::File(file) => execute(&file.database, statement).await,
            Self::Server(server, name) => drop(server.execute(name, &statement).await?),
        }
        Ok(())
    }

    async fn plan(&self, statement: String) -> Result<Plan, Failed> {
        match self {
            Self::File(file) => Ok(Plan::Sqlite(file.database.read(Explain(statement)).await?)),
            Self::Server(server, name) => Plan::explain(server, name, &statement).await,
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
