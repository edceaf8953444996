//! Values and ledgers that the tests start from.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use async_trait::async_trait;
use database::{Config, Connection, Database, DatabaseUrl, Transaction};
use money::{Currency, Money};
use payment::{
    adapters::db::{AUDIT, DbAccounts, DbLedger, MIGRATIONS},
    domain::{BillId, ChargeRequest, OrderId, Payment, PaymentId, Total, UserId},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};
use service_kit::ids::IdSequence;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use tempfile::TempDir;

pub(crate) fn order(id: i64) -> OrderId {
    OrderId::new(id).unwrap()
}

pub(crate) fn user(id: i64) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn money(code: &str, minor: i64) -> Money {
    Money::from_minor(Currency::from_code(code).unwrap(), minor).unwrap()
}

pub(crate) fn request(order_id: i64, user_id: i64, total: Money) -> ChargeRequest {
    ChargeRequest { order: order(order_id), user: user(user_id), total: Total::new(total).unwrap() }
}

/// Makes what is written: new ids, and a credit limit of 100.00.
#[derive(Debug, Default)]
pub(crate) struct Desk(IdSequence);

impl Desk {
    pub(crate) fn charge(&self, request: ChargeRequest) -> NewCharge {
        NewCharge {
            request,
            payment: PaymentId::new(self.0.next_id()).unwrap(),
            bill: BillId::new(self.0.next_id()).unwrap(),
            opening_limit: Money::from_minor(request.total.get().currency(), 10_000).unwrap(),
            now_ms: service_kit::ids::now_ms(),
        }
    }

    pub(crate) fn void(&self, order: OrderId) -> NewVoid {
        let payment = PaymentId::new(self.0.next_id()).unwrap();
        NewVoid { order, payment, now_ms: service_kit::ids::now_ms() }
    }
}

/// A ledger whose accounts a test can look into.
#[async_trait]
pub(crate) trait Books: Ledger {
    /// What the account was charged, in minor units; `None` where there is no account.
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64>;

    /// How many accounts were charged anything but the sum of their CHARGED payments.
    async fn discrepancies(&self) -> usize;
}

/// The real ledger over a database of its own.
pub(crate) struct DbBooks {
    pub(crate) ledger: DbLedger,
    pub(crate) accounts: DbAccounts,
    pub(crate) database: Database,
    directory: Option<TempDir>,
}

impl DbBooks {
    pub(crate) async fn over(target: &DatabaseUrl) -> Self {
        let database = Database::open(&Config::new(target.clone()), &MIGRATIONS).await.unwrap();
        let (ledger, accounts) = (DbLedger::new(database.clone()), DbAccounts::new(database.clone()));
        Self { ledger, accounts, database, directory: None }
    }

    pub(crate) async fn in_file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/payment.db", directory.path().display());
        let target = DatabaseUrl::parse("sqlite", &url).unwrap();
        Self { directory: Some(directory), ..Self::over(&target).await }
    }
}

#[async_trait]
impl Ledger for DbBooks {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        self.ledger.record_charge(charge).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.ledger.record_void(void).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.ledger.find(order).await
    }
}

#[async_trait]
impl Books for DbBooks {
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        let found = self.database.read(Charged(user, currency)).await.unwrap();
        found.first().map(|row| row.get(0))
    }

    async fn discrepancies(&self) -> usize {
        discrepancies(&self.database).await
    }
}

/// How many accounts the audit finds.
pub(crate) async fn discrepancies(database: &Database) -> usize {
    database.read(Audit).await.unwrap().len()
}

/// Reads what an account was charged.
pub(crate) const CHARGED: &str = "SELECT charged_minor FROM accounts WHERE user_id = ? AND currency = ?";

struct Charged(UserId, Currency);

#[async_trait]
impl Transaction for Charged {
    type Output = Vec<AnyRow>;

    async fn run(&self, connection: &mut Connection) -> Result<Vec<AnyRow>, sqlx::Error> {
        let query = connection.query(CHARGED);
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

/// Sends statements that take no parameters.
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
