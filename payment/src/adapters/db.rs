//! The ledger in a database, with one set of portable statements for SQLite, MySQL and PostgreSQL.

mod accounts;
mod audit;
mod rows;

use async_trait::async_trait;
use database::{
    Cause, Connection, Database, Migrations, Summary, Table, Transaction, WriteError, contention_key,
};
use money::{Currency, Money};

use crate::{
    domain::{ChargeRequest, DeclineReason, OrderId, Outcome, Payment, UserId},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

pub use accounts::DbAccounts;
pub use audit::{AccountKey, AuditedAccount, AuditedPayment, CUSTOMERS_MAX};

/// The schema and its migrations for each kind of database.
pub static MIGRATIONS: Migrations = Migrations {
    service: "Payment",
    others: &[("orders", "Order")],
    tables: &[
        Table::new("accounts", 1, "credit_limit_minor"),
        Table::new("payments", 1, "amount_minor"),
        Table::new("schema_versions", 2, "oldest_program"),
        Table::new("account_changes", 2, "limit_after_minor"),
    ],
    sqlite: sqlx::migrate!("migrations/sqlite"),
    mysql: sqlx::migrate!("migrations/mysql"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// Finds accounts (user id, currency) whose charged amount is not the sum of their CHARGED payments. It must
/// find none; operators run the same file. One statement scans both tables: `order-system audit` reads pages
/// instead.
pub const AUDIT: &str = include_str!("../../audit.sql");

/// Attempts before a unique violation counts as [`LedgerError::Conflict`]. The first violation may be that of
/// an account that another writer opened concurrently; the second attempt finds the account.
const ATTEMPTS_MAX: usize = 2;

/// Adds to the charged amount of an existing account, if it stays within the credit limit.
const DEBIT: &str = "UPDATE accounts SET charged_minor = charged_minor + ?
     WHERE user_id = ? AND currency = ? AND charged_minor + ? <= credit_limit_minor";

const SELECT_ACCOUNT: &str = "SELECT user_id FROM accounts WHERE user_id = ? AND currency = ?";

const INSERT_ACCOUNT: &str =
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

    /// Runs `transaction`, which inserts a payment for `order`; returns the existing payment if there is one.
    async fn record<T>(&self, order: OrderId, transaction: T) -> Result<Payment, LedgerError>
    where
        T: Transaction<Output = Payment> + Copy,
    {
        for _ in 0..ATTEMPTS_MAX {
            match self.0.write(transaction).await {
                Ok(payment) => return Ok(payment),
                Err(error) if error.is_unique_violation() => {
                    if let Some(existing) = self.find(order).await? {
                        return Ok(existing);
                    }
                }
                Err(error) => match write_error(&error) {
                    // In doubt: the payment may be committed, or still become visible later.
                    LedgerError::Unknown => return self.find(order).await?.ok_or(LedgerError::Unknown),
                    error => return Err(error),
                },
            }
        }
        Err(LedgerError::Conflict)
    }
}

/// Logs `error` and returns what it shows about the outcome.
fn write_error(error: &WriteError) -> LedgerError {
    match error {
        error if error.is_data_error() => {
            tracing::error!(%error, "the database refuses the data, nothing was written");
            LedgerError::Rejected
        }
        // The health check logs an outage.
        WriteError::Withdrawn | WriteError::NotStarted(_) => {
            tracing::warn!(%error, "database write not started");
            LedgerError::NotStarted
        }
        WriteError::Refused(_) | WriteError::Panicked => {
            tracing::error!(%error, "database write failed, nothing was written");
            LedgerError::NotStarted
        }
        WriteError::Unknown(_) => {
            tracing::error!(%error, "database write failed, it may have been committed");
            LedgerError::Unknown
        }
    }
}

fn read_error(error: sqlx::Error) -> LedgerError {
    tracing::error!(error = %Cause(&error), "database read failed");
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
        self.0.read(Find(order)).await.map_err(read_error)
    }
}

struct Find(OrderId);

#[async_trait]
impl Transaction for Find {
    type Output = Option<Payment>;
    const SUMMARY: Summary = Summary::new("SELECT", "payments");

    async fn run(&self, connection: &mut Connection) -> Result<Option<Payment>, sqlx::Error> {
        let query = connection.query(rows::SELECT).bind(self.0.get());
        let row = query.fetch_optional(connection.executor()).await?;
        let payment = row.as_ref().map(rows::read).transpose()?;
        rows::log_unspecified(&payment);
        Ok(payment)
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

/// Debits the account and inserts the payment. If the order already has a payment, the insert fails and rolls
/// back the debit.
#[derive(Clone, Copy)]
struct RecordCharge(NewCharge);

#[async_trait]
impl Transaction for RecordCharge {
    type Output = Payment;
    const SUMMARY: Summary = Summary::new("INSERT", "payments");

    /// A debit locks the account until the commit.
    fn contention_key(&self) -> Option<u64> {
        let ChargeRequest { user, total, .. } = self.0.request;
        Some(account_key(user, total.get().currency()))
    }

    async fn run(&self, connection: &mut Connection) -> Result<Payment, sqlx::Error> {
        let charge = &self.0;
        let (user, total) = (charge.request.user, charge.request.total.get());
        let mut declined = None;
        if !debit(connection, user, total).await? {
            declined = debit_or_open(connection, charge).await?;
        }
        let outcome = match declined {
            None => Outcome::Charged { user, total, bill: charge.bill },
            Some(reason) => Outcome::Declined { user, total, reason },
        };
        let payment =
            Payment { id: charge.payment, order: charge.request.order, outcome, created_ms: charge.now_ms };
        rows::insert(connection, &payment).await.map(|()| payment)
    }
}

/// Debits the account again after a debit that changed no row. Opens the account if it does not exist.
/// Returns why the charge is declined.
async fn debit_or_open(
    connection: &mut Connection,
    charge: &NewCharge,
) -> Result<Option<DeclineReason>, sqlx::Error> {
    let (user, total) = (charge.request.user, charge.request.total.get());
    if !has_account(connection, user, total).await? {
        let Some(limit) = charge.opening_limit else {
            return Ok(Some(DeclineReason::CurrencyNotAccepted));
        };
        open_account(connection, user, limit, charge.now_ms).await?;
    }
    // Another writer may have opened the account after the first debit. If this debit fails too, the limit is
    // exceeded.
    let debited = debit(connection, user, total).await?;
    Ok((!debited).then_some(DeclineReason::InsufficientBalance))
}

fn account_key(user: UserId, currency: Currency) -> u64 {
    contention_key((user.get(), currency.code()))
}

async fn debit(connection: &mut Connection, user: UserId, total: Money) -> Result<bool, sqlx::Error> {
    let query = connection.query(DEBIT).bind(total.minor()).bind(user.get());
    let query = query.bind(total.currency().code()).bind(total.minor());
    Ok(query.execute(connection.executor()).await?.rows_affected() == 1)
}

async fn has_account(connection: &mut Connection, user: UserId, total: Money) -> Result<bool, sqlx::Error> {
    let query = connection.query(SELECT_ACCOUNT).bind(user.get()).bind(total.currency().code());
    Ok(query.fetch_optional(connection.executor()).await?.is_some())
}

async fn open_account(
    connection: &mut Connection,
    user: UserId,
    limit: Money,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let query = connection.query(INSERT_ACCOUNT).bind(user.get()).bind(limit.currency().code());
    query.bind(limit.minor()).bind(now_ms).execute(connection.executor()).await.map(drop)
}
