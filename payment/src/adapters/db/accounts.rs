//! Accounts, for operators.

use async_trait::async_trait;
use database::{Connection, Database, Summary, Transaction};
use money::{Currency, Money};
use sqlx::{Row, any::AnyRow};

use super::{ATTEMPTS_MAX, account_key, open_account, read_error, rows::invalid, write_error};
use crate::{
    domain::{Account, ChangeId, LimitChange, UserId},
    ports::{Accounts, CHANGES_MAX, LedgerError, NewLimit},
};

/// Locks the row until the end of the transaction. Portable: SQLite has no `SELECT … FOR UPDATE`.
const LOCK: &str =
    "UPDATE accounts SET credit_limit_minor = credit_limit_minor WHERE user_id = ? AND currency = ?";

const SET_LIMIT: &str = "UPDATE accounts SET credit_limit_minor = ? WHERE user_id = ? AND currency = ?";

const SELECT: &str = "SELECT currency, credit_limit_minor, charged_minor FROM accounts WHERE user_id = ?
     ORDER BY currency";

const INSERT_CHANGE: &str =
    "INSERT INTO account_changes (change_id, user_id, currency, changed_at_ms, operator, reason,
         limit_before_minor, limit_after_minor)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

const SELECT_CHANGE: &str =
    "SELECT change_id, user_id, currency, changed_at_ms, operator, reason, limit_before_minor,
         limit_after_minor
     FROM account_changes WHERE change_id = ?";

const SELECT_CHANGES: &str =
    "SELECT change_id, user_id, currency, changed_at_ms, operator, reason, limit_before_minor,
         limit_after_minor
     FROM account_changes WHERE user_id = ? AND currency = ? ORDER BY change_id DESC LIMIT ?";

/// The accounts of one database.
#[derive(Debug, Clone)]
pub struct DbAccounts(Database);

impl DbAccounts {
    /// The accounts of `database`, which has the tables of [`MIGRATIONS`](super::MIGRATIONS).
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    async fn change(&self, id: ChangeId) -> Result<Option<LimitChange>, LedgerError> {
        self.0.read(FindChange(id)).await.map_err(read_error)
    }
}

#[async_trait]
impl Accounts for DbAccounts {
    async fn find(&self, user: UserId, currency: Option<Currency>) -> Result<Vec<Account>, LedgerError> {
        self.0.read(FindAccounts { user, currency }).await.map_err(read_error)
    }

    async fn set_limit(&self, limit: &NewLimit) -> Result<LimitChange, LedgerError> {
        for _ in 0..ATTEMPTS_MAX {
            match self.0.write(SetLimit(limit.clone())).await {
                Ok(change) => return Ok(change),
                Err(error) if error.is_unique_violation() => {}
                Err(error) => match write_error(&error) {
                    LedgerError::Unknown => {
                        let found = self.change(limit.change).await?;
                        // Another instance's change may have this id.
                        let own = found.filter(|found| found == &change_of(limit, found.before));
                        return own.ok_or(LedgerError::Unknown);
                    }
                    error => return Err(error),
                },
            }
        }
        Err(LedgerError::Conflict)
    }
}

fn change_of(limit: &NewLimit, before: Option<Money>) -> LimitChange {
    let NewLimit { user, limit: after, change: id, operator, reason, now_ms: changed_ms } = limit.clone();
    LimitChange { id, user, before, after, operator, reason, changed_ms }
}

struct SetLimit(NewLimit);

#[async_trait]
impl Transaction for SetLimit {
    type Output = LimitChange;
    const SUMMARY: Summary = Summary::new("UPDATE", "accounts");

    fn contention_key(&self) -> Option<u64> {
        Some(account_key(self.0.user, self.0.limit.currency()))
    }

    async fn run(&self, connection: &mut Connection) -> Result<LimitChange, sqlx::Error> {
        let NewLimit { user, limit, now_ms, .. } = self.0;
        let code = limit.currency().code();
        let lock = connection.query(LOCK).bind(user.get()).bind(code);
        // Without the lock, a row that another writer inserts now must not be read.
        let before = match lock.execute(connection.executor()).await?.rows_affected() {
            0 => None,
            _ => accounts(connection, user, Some(limit.currency())).await?.pop().map(|account| account.limit),
        };
        if before.is_some() {
            let set = connection.query(SET_LIMIT).bind(limit.minor()).bind(user.get()).bind(code);
            set.execute(connection.executor()).await?;
        } else {
            open_account(connection, user, limit, now_ms).await?;
        }
        let change = change_of(&self.0, before);
        insert(connection, &change).await.map(|()| change)
    }
}

async fn insert(connection: &mut Connection, change: &LimitChange) -> Result<(), sqlx::Error> {
    let query = connection
        .query(INSERT_CHANGE)
        .bind(change.id.get())
        .bind(change.user.get())
        .bind(change.after.currency().code())
        .bind(change.changed_ms)
        .bind(change.operator.as_str().to_owned())
        .bind(change.reason.as_ref().map(|reason| reason.as_str().to_owned()))
        .bind(change.before.map(Money::minor))
        .bind(change.after.minor());
    query.execute(connection.executor()).await.map(drop)
}

struct FindChange(ChangeId);

#[async_trait]
impl Transaction for FindChange {
    type Output = Option<LimitChange>;
    const SUMMARY: Summary = Summary::new("SELECT", "account_changes");

    async fn run(&self, connection: &mut Connection) -> Result<Option<LimitChange>, sqlx::Error> {
        let query = connection.query(SELECT_CHANGE).bind(self.0.get());
        query.fetch_optional(connection.executor()).await?.as_ref().map(read_change).transpose()
    }
}

struct FindAccounts {
    user: UserId,
    currency: Option<Currency>,
}

#[async_trait]
impl Transaction for FindAccounts {
    type Output = Vec<Account>;
    const SUMMARY: Summary = Summary::new("SELECT", "accounts");

    async fn run(&self, connection: &mut Connection) -> Result<Vec<Account>, sqlx::Error> {
        let mut found = accounts(connection, self.user, self.currency).await?;
        for account in &mut found {
            let query = connection.query(SELECT_CHANGES).bind(self.user.get());
            let query = query.bind(account.limit.currency().code());
            let count = i64::try_from(CHANGES_MAX).unwrap_or(i64::MAX);
            let rows = query.bind(count).fetch_all(connection.executor()).await?;
            account.changes = rows.iter().map(read_change).collect::<Result<_, _>>()?;
        }
        Ok(found)
    }
}

/// The customer's accounts, or only the one in `currency`, without their changes.
async fn accounts(
    connection: &mut Connection,
    user: UserId,
    currency: Option<Currency>,
) -> Result<Vec<Account>, sqlx::Error> {
    let query = connection.query(SELECT).bind(user.get());
    let rows = query.fetch_all(connection.executor()).await?;
    let mut found = Vec::new();
    let mut unknown = 0_usize;
    for row in &rows {
        let code: String = row.try_get(0)?;
        if Currency::from_stored(&code).is_err() {
            unknown += 1;
            continue;
        }
        let limit = read_money(&code, row.try_get(1)?, "accounts.credit_limit_minor")?;
        let charged = read_money(&code, row.try_get(2)?, "accounts.charged_minor")?;
        found.push(Account { user, limit, charged, changes: Vec::new() });
    }
    if unknown > 0 {
        tracing::warn!(%user, unknown, "accounts in a currency that this program does not know are left out");
    }
    found.retain(|account| currency.is_none_or(|currency| account.limit.currency() == currency));
    Ok(found)
}

fn read_change(row: &AnyRow) -> Result<LimitChange, sqlx::Error> {
    let (code, operator): (String, String) = (row.try_get(2)?, row.try_get(4)?);
    let (reason, before): (Option<String>, Option<i64>) = (row.try_get(5)?, row.try_get(6)?);
    let reason = reason.map(|text| text.parse()).transpose();
    let before = before.map(|minor| read_money(&code, minor, "account_changes.limit_before_minor"));
    Ok(LimitChange {
        id: ChangeId::new(row.try_get(0)?).ok_or_else(|| invalid("account_changes.change_id"))?,
        user: UserId::new(row.try_get(1)?).ok_or_else(|| invalid("account_changes.user_id"))?,
        before: before.transpose()?,
        after: read_money(&code, row.try_get(7)?, "account_changes.limit_after_minor")?,
        operator: operator.parse().map_err(|_| invalid("account_changes.operator"))?,
        reason: reason.map_err(|_| invalid("account_changes.reason"))?,
        changed_ms: row.try_get(3)?,
    })
}

fn read_money(code: &str, minor: i64, column: &str) -> Result<Money, sqlx::Error> {
    let currency = Currency::from_stored(code).map_err(|_| invalid(column))?;
    Money::from_minor(currency, minor).map_err(|_| invalid(column))
}
