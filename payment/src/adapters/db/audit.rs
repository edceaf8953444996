//! The ledger page by page, for the audit, which may run while the service writes.

use async_trait::async_trait;
use database::{Connection, Summary, Transaction};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{DbLedger, read_error, rows};
use crate::{
    domain::{Payment, Status, UserId},
    ports::LedgerError,
};

/// Customers per call of [`DbLedger::unbalanced`].
pub const CUSTOMERS_MAX: usize = 500;

/// The first accounts after a key, sorted by key. `user_id >= ?` alone bounds the search of the index: not
/// every database can search it by a comparison of both columns.
const SELECT_ACCOUNTS_AFTER: &str = "SELECT user_id, currency, charged_minor FROM accounts
     WHERE user_id >= ? AND (user_id > ? OR currency > ?) ORDER BY user_id, currency LIMIT ?";

/// The key of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountKey {
    /// The customer.
    pub user: UserId,
    /// The currency code, which this program may not know.
    pub currency: String,
}

/// A payment, and what it adds to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedPayment {
    /// The payment.
    pub payment: Payment,
    /// The account and the amount in minor units of a CHARGED payment, also in a currency that this program
    /// does not know.
    pub charged: Option<(AccountKey, i64)>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedAccount {
    /// The key.
    pub key: AccountKey,
    /// The charged amount in minor units.
    pub charged_minor: i64,
}

impl DbLedger {
    /// The first `limit` payments with an order id above `after`, sorted by order id.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unknown`]
    pub async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<AuditedPayment>, LedgerError> {
        self.0.read(ReadPayments { after, limit }).await.map_err(read_error)
    }

    /// The first `limit` accounts with a key above `after`, sorted by key.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unknown`]
    pub async fn account_page(
        &self,
        after: Option<AccountKey>,
        limit: u32,
    ) -> Result<Vec<AuditedAccount>, LedgerError> {
        self.0.read(ReadAccounts { after, limit }).await.map_err(read_error)
    }

    /// The accounts of `users` whose charged amount is not the sum of their CHARGED payments, and those that
    /// have CHARGED payments but do not exist, at one moment. Scans all payments; `users` has at most
    /// [`CUSTOMERS_MAX`] elements, each once.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unknown`]
    pub async fn unbalanced(&self, users: Vec<UserId>) -> Result<Vec<AccountKey>, LedgerError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        self.0.read(ReadUnbalanced(users)).await.map_err(read_error)
    }
}

struct ReadPayments {
    after: i64,
    limit: u32,
}

#[async_trait]
impl Transaction for ReadPayments {
    type Output = Vec<AuditedPayment>;
    const SUMMARY: Summary = Summary::new("SELECT", "payments");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<AuditedPayment>, sqlx::Error> {
        let query = connection.query(rows::SELECT_AFTER).bind(self.after).bind(i64::from(self.limit));
        let rows = query.fetch_all(connection.executor()).await?;
        let payments: Vec<AuditedPayment> = rows.iter().map(read_payment).collect::<Result<_, _>>()?;
        rows::log_unspecified(payments.iter().map(|audited| &audited.payment));
        Ok(payments)
    }
}

struct ReadAccounts {
    after: Option<AccountKey>,
    limit: u32,
}

#[async_trait]
impl Transaction for ReadAccounts {
    type Output = Vec<AuditedAccount>;
    const SUMMARY: Summary = Summary::new("SELECT", "accounts");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<AuditedAccount>, sqlx::Error> {
        let (user, currency) =
            self.after.as_ref().map_or((i64::MIN, ""), |key| (key.user.get(), &key.currency));
        let query = connection.query(SELECT_ACCOUNTS_AFTER).bind(user).bind(user).bind(currency.to_owned());
        let rows = query.bind(i64::from(self.limit)).fetch_all(connection.executor()).await?;
        let read = |row| Ok(AuditedAccount { key: read_account(row)?, charged_minor: row.try_get(2)? });
        rows.iter().map(read).collect()
    }
}

/// The customers, each once.
struct ReadUnbalanced(Vec<UserId>);

impl ReadUnbalanced {
    /// [`AUDIT`](super::AUDIT) for `count` customers, who are the parameters of each of its three parts. One
    /// statement reads one snapshot.
    fn statement(count: usize) -> String {
        let users = vec!["?"; count].join(", ");
        format!(
            "SELECT a.user_id, a.currency
             FROM accounts a
                 LEFT JOIN (
                     SELECT user_id, currency, SUM(amount_minor) AS paid_minor
                     FROM payments
                     WHERE status = 'CHARGED' AND user_id IN ({users})
                     GROUP BY user_id, currency
                 ) p ON p.user_id = a.user_id AND p.currency = a.currency
             WHERE a.user_id IN ({users}) AND a.charged_minor <> COALESCE(p.paid_minor, 0)
             UNION
             SELECT p.user_id, p.currency
             FROM payments p
             WHERE p.status = 'CHARGED' AND p.user_id IN ({users})
                 AND NOT EXISTS (
                     SELECT 1 FROM accounts a WHERE a.user_id = p.user_id AND a.currency = p.currency
                 )"
        )
    }
}

#[async_trait]
impl Transaction for ReadUnbalanced {
    type Output = Vec<AccountKey>;
    const SUMMARY: Summary = Summary::new("SELECT", "accounts");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<AccountKey>, sqlx::Error> {
        let mut query = connection.query(AssertSqlSafe(Self::statement(self.0.len())));
        for _ in 0..3 {
            for user in &self.0 {
                query = query.bind(user.get());
            }
        }
        query.fetch_all(connection.executor()).await?.iter().map(read_account).collect()
    }
}

/// Reads a row of [`rows::SELECT_AFTER`].
fn read_payment(row: &AnyRow) -> Result<AuditedPayment, sqlx::Error> {
    let payment = rows::read(row)?;
    let status: String = row.try_get(2)?;
    let charged = match Status::from_name(&status) {
        Some(Status::Charged) => {
            let key = AccountKey { user: rows::read_user(row)?, currency: row.try_get(5)? };
            Some((key, row.try_get(6)?))
        }
        _ => None,
    };
    Ok(AuditedPayment { payment, charged })
}

/// The key of an account, in the first two columns.
fn read_account(row: &AnyRow) -> Result<AccountKey, sqlx::Error> {
    let user = UserId::new(row.try_get(0)?).ok_or_else(|| rows::invalid("accounts.user_id"))?;
    Ok(AccountKey { user, currency: row.try_get(1)? })
}
