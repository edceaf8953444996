//! Values and databases for tests.

use async_trait::async_trait;
use database::{Config, Connection, Database, DatabaseUrl, Transaction};
use money::{Currency, Money};
use payment::{
    adapters::db::{AUDIT, DbAccounts, DbLedger, MIGRATIONS},
    domain::{BillId, ChargeRequest, OrderId, PaymentId, Total, UserId},
    ports::{NewCharge, NewVoid},
};
use service_kit::ids::{IdSequence, now_ms};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use tempfile::TempDir;

pub(crate) fn order(id: i64) -> OrderId {
    OrderId::new(id).unwrap()
}

pub(crate) fn user(id: i64) -> UserId {
    UserId::new(id).unwrap()
}

/// An amount of a record, also in a currency that requests no longer have.
pub(crate) fn money(code: &str, minor: i64) -> Money {
    Money::from_minor(Currency::from_stored(code).unwrap(), minor).unwrap()
}

pub(crate) fn request(order_id: i64, user_id: i64, total: Money) -> ChargeRequest {
    ChargeRequest { order: order(order_id), user: user(user_id), total: Total::new(total).unwrap() }
}

/// Creates charges and voids with new ids and a credit limit of 100.00.
#[derive(Debug, Default)]
pub(crate) struct Fixture(IdSequence);

impl Fixture {
    pub(crate) fn charge(&self, request: ChargeRequest) -> NewCharge {
        NewCharge {
            request,
            payment: PaymentId::new(self.0.next_id()).unwrap(),
            bill: BillId::new(self.0.next_id()).unwrap(),
            opening_limit: Some(Money::from_minor(request.total.get().currency(), 10_000).unwrap()),
            now_ms: now_ms(),
        }
    }

    /// A charge in a currency that is not accepted.
    pub(crate) fn charge_not_accepted(&self, request: ChargeRequest) -> NewCharge {
        NewCharge { opening_limit: None, ..self.charge(request) }
    }

    pub(crate) fn void(&self, order: OrderId) -> NewVoid {
        NewVoid { order, payment: PaymentId::new(self.0.next_id()).unwrap(), now_ms: now_ms() }
    }
}

/// A database with Payment's schema, and the adapters over it.
pub(crate) struct TestDatabase {
    pub(crate) ledger: DbLedger,
    pub(crate) accounts: DbAccounts,
    pub(crate) database: Database,
    /// Removed on drop.
    _directory: Option<TempDir>,
}

impl TestDatabase {
    pub(crate) async fn open(url: &DatabaseUrl) -> Self {
        let database = Database::open(&Config::new(url.clone()), &MIGRATIONS).await.unwrap();
        let (ledger, accounts) = (DbLedger::new(database.clone()), DbAccounts::new(database.clone()));
        Self { ledger, accounts, database, _directory: None }
    }

    /// A new SQLite database.
    pub(crate) async fn in_file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/payment.db", directory.path().display());
        let database = Self::open(&DatabaseUrl::parse("sqlite", &url).unwrap()).await;
        Self { _directory: Some(directory), ..database }
    }

    /// The amount charged to an account, in minor units; `None` if the account does not exist.
    pub(crate) async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        let rows = self.database.read(SelectCharged(user, currency)).await.unwrap();
        rows.first().map(|row| row.get(0))
    }

    pub(crate) async fn discrepancies(&self) -> usize {
        discrepancies(&self.database).await
    }
}

/// The number of accounts that the audit finds.
pub(crate) async fn discrepancies(database: &Database) -> usize {
    database.read(Audit).await.unwrap().len()
}

/// Selects the charged amount of an account.
pub(crate) const SELECT_CHARGED: &str =
    "SELECT charged_minor FROM accounts WHERE user_id = ? AND currency = ?";

struct SelectCharged(UserId, Currency);

#[async_trait]
impl Transaction for SelectCharged {
    type Output = Vec<AnyRow>;

    async fn run(&self, connection: &mut Connection) -> Result<Vec<AnyRow>, sqlx::Error> {
        let query = connection.query(SELECT_CHARGED);
        query.bind(self.0.get()).bind(self.1.code()).fetch_all(connection.executor()).await
    }
}

struct Audit;

#[async_trait]
impl Transaction for Audit {
    type Output = Vec<AnyRow>;

    async fn run(&self, connection: &mut Connection) -> Result<Vec<AnyRow>, sqlx::Error> {
        connection.query(AUDIT).fetch_all(connection.executor()).await
    }
}

/// Runs statements without parameters.
pub(crate) async fn execute(database: &Database, sql: impl Into<String>) {
    database.write(Raw(sql.into())).await.unwrap();
}

struct Raw(String);

#[async_trait]
impl Transaction for Raw {
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(self.0.clone())).execute(connection.executor()).await.map(drop)
    }
}
