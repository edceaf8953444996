//! Use cases of operators: show accounts, set credit limits.

use std::sync::Arc;

use money::{Currency, Money};

use super::ID_ATTEMPTS_MAX;
use crate::{
    domain::{Account, LimitChange, Operator, Reason, UserId},
    ports::{Accounts, Clock, IdGenerator, LedgerError, NewLimit},
};

/// The use cases of operators over their ports.
#[derive(Clone)]
pub struct AccountService {
    /// Stores the accounts.
    pub accounts: Arc<dyn Accounts>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Generates ids.
    pub ids: Arc<dyn IdGenerator>,
}

/// The command to set a credit limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLimit {
    /// The customer.
    pub user: UserId,
    /// The new limit; its currency is the account's.
    pub limit: Money,
    /// The operator, for the record.
    pub operator: Operator,
    /// The reason, for the record.
    pub reason: Option<Reason>,
}

/// Why no account is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShowError {
    /// The account does not exist.
    #[error("user {user} has no account{}", currency.map(|currency| format!(" in {currency}")).unwrap_or_default())]
    NotFound {
        /// The customer.
        user: UserId,
        /// The currency of the account; `None` for any.
        currency: Option<Currency>,
    },
    /// The database is not available.
    #[error("the accounts cannot be read")]
    Unavailable,
}

/// Why a limit is not known to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The limit was not changed.
    #[error("the limit was not set: the database cannot be written to")]
    NotStarted,
    /// The limit was not changed, and a retry fails as well.
    #[error("the limit was not set: the database refuses the data")]
    NotStored,
    /// The limit may have been changed.
    #[error("the outcome is unknown: the limit may have been set; check the account's last changes")]
    Unknown,
}

impl AccountService {
    /// Returns the customer's accounts, or only the one in `currency`; at least one.
    ///
    /// # Errors
    ///
    /// [`ShowError`].
    pub async fn show(&self, user: UserId, currency: Option<Currency>) -> Result<Vec<Account>, ShowError> {
        let found = self.accounts.find(user, currency).await.map_err(|_| ShowError::Unavailable)?;
        if found.is_empty() { Err(ShowError::NotFound { user, currency }) } else { Ok(found) }
    }

    /// Sets the limit of an account; opens it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`LimitError`].
    pub async fn set_limit(&self, command: SetLimit) -> Result<LimitChange, LimitError> {
        let SetLimit { user, limit, operator, reason } = command;
        let (change, now_ms) = (self.ids.change_id(), self.clock.now_ms());
        let mut new = NewLimit { user, limit, change, operator, reason, now_ms };
        for _ in 0..ID_ATTEMPTS_MAX {
            match self.accounts.set_limit(&new).await {
                Ok(change) => return Ok(change),
                Err(LedgerError::Conflict) => new.change = self.ids.change_id(),
                Err(LedgerError::NotStarted) => return Err(LimitError::NotStarted),
                Err(LedgerError::Rejected) => return Err(LimitError::NotStored),
                Err(LedgerError::Unknown) => return Err(LimitError::Unknown),
            }
        }
        Err(LimitError::NotStarted)
    }
}
