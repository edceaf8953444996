//! What operators do with accounts: look at them, and set what may be charged.

use std::sync::Arc;

use money::{Currency, Money};

use super::ID_ATTEMPTS_MAX;
use crate::{
    domain::{Account, LimitChange, Operator, Reason, UserId},
    ports::{Accounts, Clock, IdGenerator, LedgerError, NewLimit},
};

/// The operators' use cases, over whatever ports they are given.
#[derive(Clone)]
pub struct AccountService {
    /// The accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn IdGenerator>,
}

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLimit {
    /// Whose account.
    pub user: UserId,
    /// Its limit from now on, in its currency.
    pub limit: Money,
    /// Who asks.
    pub operator: Operator,
    /// Why, where it was said.
    pub reason: Option<Reason>,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShowError {
    /// No such account was ever opened.
    #[error("user {user} has no account{}", currency.map(|currency| format!(" in {currency}")).unwrap_or_default())]
    NotFound {
        /// Whose.
        user: UserId,
        /// In which currency; `None`: in any.
        currency: Option<Currency>,
    },
    /// The database did not answer.
    #[error("the accounts cannot be read")]
    Unavailable,
}

/// Why a limit is not known to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Nothing was changed.
    #[error("the limit was not set: the database cannot be written to")]
    NotStarted,
    /// It may have been set.
    #[error("the database gave no answer: the limit may have been set; the account's last changes tell")]
    Unknown,
}

impl AccountService {
    /// The customer's accounts, or the one in that currency: at least one.
    ///
    /// # Errors
    ///
    /// [`ShowError`].
    pub async fn show(&self, user: UserId, currency: Option<Currency>) -> Result<Vec<Account>, ShowError> {
        let found = self.accounts.find(user, currency).await.map_err(|_| ShowError::Unavailable)?;
        if found.is_empty() { Err(ShowError::NotFound { user, currency }) } else { Ok(found) }
    }

    /// Sets the limit of an account, which is opened where it is missing.
    ///
    /// # Errors
    ///
    /// [`LimitError`].
    pub async fn set_limit(&self, asked: SetLimit) -> Result<LimitChange, LimitError> {
        let SetLimit { user, limit, operator, reason } = asked;
        let (change, now_ms) = (self.ids.change_id(), self.clock.now_ms());
        let mut new = NewLimit { user, limit, change, operator, reason, now_ms };
        for _ in 0..ID_ATTEMPTS_MAX {
            match self.accounts.set_limit(&new).await {
                Ok(change) => return Ok(change),
                Err(LedgerError::Conflict) => new.change = self.ids.change_id(),
                Err(LedgerError::NotStarted) => return Err(LimitError::NotStarted),
                Err(LedgerError::Unknown) => return Err(LimitError::Unknown),
            }
        }
        Err(LimitError::NotStarted)
    }
}
