//! Accounts and payments in a database.
//!
//! One set of statements, written with `?` and kept to what SQLite, MySQL and PostgreSQL all take.

mod rows;

use async_trait::async_trait;
use database::{Database, is_unique_violation};
use money::Money;
use sqlx::{Any, Transaction, migrate::Migrator};

use crate::{
    domain::{DeclineReason, OrderId, Outcome, Payment, UserId},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

/// The tables, version by version.
pub static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Finds the accounts whose charged amount is not the sum of their CHARGED payments (user id, currency):
/// none, ever. Operators run the same file.
pub const AUDIT: &str = include_str!("../../audit.sql");

/// The ledger over one database.
#[derive(Debug, Clone)]
pub struct DbLedger(Database);

impl DbLedger {
    /// The ledger over `database`, which has the tables of [`MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// Begins to write; nothing has been sent where that fails.
    async fn begin(&self) -> Result<Transaction<'static, Any>, LedgerError> {
        self.0.begin().await.map_err(|error| {
            tracing::error!(%error, "the database cannot be written to");
            LedgerError::NotStarted
        })
    }

    /// Commits what was `written` for `order`, or finds what was there before.
    async fn conclude(
        &self,
        transaction: Transaction<'static, Any>,
        order: OrderId,
        written: Result<Payment, sqlx::Error>,
    ) -> Result<Payment, LedgerError> {
        match written {
            Ok(payment) => match transaction.commit().await {
                Ok(()) => Ok(payment),
                Err(error) => {
                    // It may have been committed all the same; where it cannot be found, it may still be.
                    let unknown = unknown(error);
                    self.find(order).await?.ok_or(unknown)
                }
            },
            Err(error) if is_unique_violation(&error) => {
                // Rolls back, and lets the next writer in before this one reads.
                drop(transaction);
                self.find(order).await?.ok_or(LedgerError::Clash)
            }
            Err(error) => Err(unknown(error)),
        }
    }
}

/// From here on what was asked may have happened; the cause is logged here and nowhere else.
fn unknown(error: sqlx::Error) -> LedgerError {
    tracing::error!(%error, "the database gave no answer");
    LedgerError::Unknown
}

#[async_trait]
impl Ledger for DbLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        let mut transaction = self.begin().await?;
        let written = write_charge(&mut transaction, charge).await;
        self.conclude(transaction, charge.request.order, written).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        let mut transaction = self.begin().await?;
        let payment = Payment {
            id: void.payment,
            order: void.order,
            outcome: Outcome::Voided,
            created_ms: void.now_ms,
        };
        let written = rows::insert(&mut transaction, &payment).await.map(|()| payment);
        self.conclude(transaction, void.order, written).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        let row = sqlx::query(rows::SELECT).bind(order.get()).fetch_optional(self.0.reader()).await;
        row.and_then(|row| row.as_ref().map(rows::read).transpose()).map_err(unknown)
    }
}

/// Debits the account and writes the payment. Where the order has a payment already, the insert fails, and
/// the debit is rolled back with it.
async fn write_charge(
    transaction: &mut Transaction<'static, Any>,
    charge: &NewCharge,
) -> Result<Payment, sqlx::Error> {
    let (user, total) = (charge.request.user, charge.request.total.get());
    let mut debited = debit(transaction, user, total).await?;
    if !debited && !is_open(transaction, user, total).await? {
        open(transaction, charge).await?;
        debited = debit(transaction, user, total).await?;
    }
    let outcome = match debited {
        true => Outcome::Charged { user, total, bill: charge.bill },
        false => Outcome::Declined { user, total, reason: DeclineReason::InsufficientBalance },
    };
    let payment =
        Payment { id: charge.payment, order: charge.request.order, outcome, created_ms: charge.now_ms };
    rows::insert(transaction, &payment).await?;
    Ok(payment)
}

/// Adds to what the account was charged, if there is such an account and it stays within its limit.
async fn debit(
    transaction: &mut Transaction<'static, Any>,
    user: UserId,
    total: Money,
) -> Result<bool, sqlx::Error> {
    let debited = sqlx::query(
        "UPDATE accounts SET charged_minor = charged_minor + ?
         WHERE user_id = ? AND currency = ? AND charged_minor + ? <= credit_limit_minor",
    )
    .bind(total.minor())
    .bind(user.get())
    .bind(total.currency().code())
    .bind(total.minor())
    .execute(&mut **transaction)
    .await?;
    Ok(debited.rows_affected() == 1)
}

async fn is_open(
    transaction: &mut Transaction<'static, Any>,
    user: UserId,
    total: Money,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query("SELECT user_id FROM accounts WHERE user_id = ? AND currency = ?")
        .bind(user.get())
        .bind(total.currency().code())
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(found.is_some())
}

async fn open(transaction: &mut Transaction<'static, Any>, charge: &NewCharge) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO accounts (user_id, currency, credit_limit_minor, charged_minor, created_at_ms)
         VALUES (?, ?, ?, 0, ?)",
    )
    .bind(charge.request.user.get())
    .bind(charge.opening_limit.currency().code())
    .bind(charge.opening_limit.minor())
    .bind(charge.now_ms)
    .execute(&mut **transaction)
    .await
    .map(drop)
}
