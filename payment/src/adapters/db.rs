//! Accounts and payments in a database.
//!
//! One set of statements, written with `?` and kept to what SQLite, MySQL and PostgreSQL all take.

mod accounts;
mod rows;

use async_trait::async_trait;
use database::{Connection, Database, Migrations, Summary, Transaction, WriteError};
use money::{Currency, Money};

use crate::{
    domain::{DeclineReason, OrderId, Outcome, Payment, UserId},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

pub use accounts::DbAccounts;

/// The tables, version by version, on each kind of database.
pub static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    mysql: sqlx::migrate!("migrations/mysql"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// Finds the accounts whose charged amount is not the sum of their CHARGED payments (user id, currency):
/// none, ever. Operators run the same file.
pub const AUDIT: &str = include_str!("../../audit.sql");

/// How often a key that is taken is met before it is called a clash: the first time it may be that of an
/// account that another writer opened at the same moment, which the second attempt finds.
const ATTEMPTS: usize = 2;

/// Adds to what the account was charged, if there is such an account and it stays within its limit.
const DEBIT: &str = "UPDATE accounts SET charged_minor = charged_minor + ?
     WHERE user_id = ? AND currency = ? AND charged_minor + ? <= credit_limit_minor";

const IS_OPEN: &str = "SELECT user_id FROM accounts WHERE user_id = ? AND currency = ?";

const OPEN: &str =
    "INSERT INTO accounts (user_id, currency, credit_limit_minor, charged_minor, created_at_ms)
     VALUES (?, ?, ?, 0, ?)";

/// The ledger over one database.
#[derive(Debug, Clone)]
pub struct DbLedger(Database);

impl DbLedger {
    /// The ledger over `database`, which has the tables of [`MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// The payments of orders with ids above `after`, lowest first, `limit` at most: for an audit.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unknown`]
    pub async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<Payment>, LedgerError> {
        self.0.read(ReadAuditPage { after, limit }).await.map_err(unread)
    }

    /// The accounts whose charged amount is not the sum of their CHARGED payments: none, ever.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unknown`]
    pub async fn unbalanced(&self) -> Result<Vec<(UserId, Currency)>, LedgerError> {
        self.0.read(ReadUnbalanced).await.map_err(unread)
    }

    /// Does the work that records a payment for `order`, or finds what was there before.
    async fn record<W>(&self, order: OrderId, work: W) -> Result<Payment, LedgerError>
    where
        W: Transaction<Output = Payment> + Copy,
    {
        for _ in 0..ATTEMPTS {
            match self.0.write(work).await {
                Ok(payment) => return Ok(payment),
                Err(error) if error.is_unique_violation() => {
                    if let Some(first) = self.find(order).await? {
                        return Ok(first);
                    }
                }
                Err(error) => match undone(&error) {
                    // It may have been committed all the same; where it cannot be found, it may still be.
                    LedgerError::Unknown => return self.find(order).await?.ok_or(LedgerError::Unknown),
                    certain => return Err(certain),
                },
            }
        }
        Err(LedgerError::Conflict)
    }
}

/// What is certain after `error`; the cause is logged here and nowhere else.
fn undone(error: &WriteError) -> LedgerError {
    tracing::error!(%error, "the database did not write");
    match error {
        WriteError::Withdrawn | WriteError::NotStarted(_) | WriteError::Refused(_) | WriteError::Panicked => {
            LedgerError::NotStarted
        }
        WriteError::Unknown(_) => LedgerError::Unknown,
    }
}

fn unread(error: sqlx::Error) -> LedgerError {
    tracing::error!(%error, "the database cannot be read");
    LedgerError::Unknown
}

#[async_trait]
impl Ledger for DbLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        self.record(charge.request.order, RecordCharge(*charge)).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.record(void.order, RecordVoid(*void)).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.0.read(Find(order)).await.map_err(unread)
    }
}

struct Find(OrderId);

#[async_trait]
impl Transaction for Find {
    type Output = Option<Payment>;
    const SUMMARY: Summary = Summary::new("SELECT", "payments");

    async fn run(&self, connection: &mut Connection) -> Result<Option<Payment>, sqlx::Error> {
        let query = connection.query(rows::SELECT).bind(self.0.get());
        query.fetch_optional(connection.executor()).await?.as_ref().map(rows::read).transpose()
    }
}

struct ReadAuditPage {
    after: i64,
    limit: u32,
}

#[async_trait]
impl Transaction for ReadAuditPage {
    type Output = Vec<Payment>;
    const SUMMARY: Summary = Summary::new("SELECT", "payments");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<Payment>, sqlx::Error> {
        let query = connection.query(rows::SELECT_AFTER).bind(self.after).bind(i64::from(self.limit));
        query.fetch_all(connection.executor()).await?.iter().map(rows::read).collect()
    }
}

struct ReadUnbalanced;

#[async_trait]
impl Transaction for ReadUnbalanced {
    type Output = Vec<(UserId, Currency)>;
    const SUMMARY: Summary = Summary::new("SELECT", "accounts");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<(UserId, Currency)>, sqlx::Error> {
        let rows = connection.query(AUDIT).fetch_all(connection.executor()).await?;
        rows.iter().map(rows::read_account).collect()
    }
}

#[derive(Clone, Copy)]
struct RecordVoid(NewVoid);

#[async_trait]
impl Transaction for RecordVoid {
    type Output = Payment;
    const SUMMARY: Summary = Summary::new("INSERT", "payments");

    fn is_single(&self) -> bool {
        true
    }

    async fn run(&self, connection: &mut Connection) -> Result<Payment, sqlx::Error> {
        let NewVoid { order, payment: id, now_ms } = self.0;
        let payment = Payment { id, order, outcome: Outcome::Voided, created_ms: now_ms };
        rows::insert(connection, &payment).await.map(|()| payment)
    }
}

/// Debits the account and writes the payment. Where the order has a payment already, the insert fails, and
/// the debit is rolled back with it.
#[derive(Clone, Copy)]
struct RecordCharge(NewCharge);

#[async_trait]
impl Transaction for RecordCharge {
    type Output = Payment;
    const SUMMARY: Summary = Summary::new("INSERT", "payments");

    async fn run(&self, connection: &mut Connection) -> Result<Payment, sqlx::Error> {
        let charge = &self.0;
        let (user, total) = (charge.request.user, charge.request.total.get());
        let mut debited = debit(connection, user, total).await?;
        if !debited {
            if !is_open(connection, user, total).await? {
                open(connection, user, charge.opening_limit, charge.now_ms).await?;
            }
            // Only now is it the limit that stands in the way: before, another may have opened the account
            // between the two statements.
            debited = debit(connection, user, total).await?;
        }
        let outcome = match debited {
            true => Outcome::Charged { user, total, bill: charge.bill },
            false => Outcome::Declined { user, total, reason: DeclineReason::InsufficientBalance },
        };
        let payment =
            Payment { id: charge.payment, order: charge.request.order, outcome, created_ms: charge.now_ms };
        rows::insert(connection, &payment).await.map(|()| payment)
    }
}

async fn debit(connection: &mut Connection, user: UserId, total: Money) -> Result<bool, sqlx::Error> {
    let query = connection.query(DEBIT).bind(total.minor()).bind(user.get());
    let query = query.bind(total.currency().code()).bind(total.minor());
    Ok(query.execute(connection.executor()).await?.rows_affected() == 1)
}

async fn is_open(connection: &mut Connection, user: UserId, total: Money) -> Result<bool, sqlx::Error> {
    let query = connection.query(IS_OPEN).bind(user.get()).bind(total.currency().code());
    Ok(query.fetch_optional(connection.executor()).await?.is_some())
}

async fn open(
    connection: &mut Connection,
    user: UserId,
    limit: Money,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let query = connection.query(OPEN).bind(user.get()).bind(limit.currency().code());
    query.bind(limit.minor()).bind(now_ms).execute(connection.executor()).await.map(drop)
}
