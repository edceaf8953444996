//! A ledger in memory with its accounts, kept honest by the contract suite.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use money::{Currency, Money};
use payment::{
    domain::{self, Change, OrderId, Outcome, Payment, UserId},
    ports::{Accounts, CHANGES_TOLD, Ledger, LedgerError, NewCharge, NewLimit, NewVoid},
};

use crate::books::Books;

mod ledger;

use ledger::Account;

/// The ledger, and what operators changed of its accounts.
#[derive(Clone, Default)]
pub(crate) struct FakeLedger {
    ledger: ledger::FakeLedger,
    changes: Arc<Mutex<Vec<Change>>>,
}

#[async_trait]
impl Ledger for FakeLedger {
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
impl Books for FakeLedger {
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        self.ledger.state().accounts.get(&(user, currency.code())).map(|account| account.charged_minor)
    }

    async fn discrepancies(&self) -> usize {
        let state = self.ledger.state();
        let paid = |key: &(UserId, &'static str)| -> i64 {
            let payments = state.payments.values().filter_map(|payment| match payment.outcome {
                Outcome::Charged { user, total, .. } if (user, total.currency().code()) == *key => {
                    Some(total.minor())
                }
                _ => None,
            });
            payments.sum()
        };
        state.accounts.iter().filter(|(key, account)| paid(key) != account.charged_minor).count()
    }
}

#[async_trait]
impl Accounts for FakeLedger {
    async fn find(
        &self,
        user: UserId,
        currency: Option<Currency>,
    ) -> Result<Vec<domain::Account>, LedgerError> {
        let (state, changes) = (self.ledger.state(), self.changes.lock().unwrap());
        let all = state.accounts.iter().map(|(&(owner, code), account)| {
            let in_currency = |minor| Money::from_minor(Currency::from_code(code).unwrap(), minor).unwrap();
            let changes = changes.iter().rev();
            let changes = changes.filter(|one| (one.user, one.after.currency().code()) == (owner, code));
            domain::Account {
                user: owner,
                limit: in_currency(account.limit_minor),
                charged: in_currency(account.charged_minor),
                changes: changes.take(CHANGES_TOLD).cloned().collect(),
            }
        });
        let is_asked = |account: &domain::Account| {
            account.user == user && currency.is_none_or(|currency| account.limit.currency() == currency)
        };
        Ok(all.filter(is_asked).collect())
    }

    async fn set_limit(&self, new: &NewLimit) -> Result<Change, LedgerError> {
        let (mut state, mut changes) = (self.ledger.state(), self.changes.lock().unwrap());
        if changes.iter().any(|change| change.id == new.change) {
            return Err(LedgerError::Clash);
        }
        let (key, limit_minor) = ((new.user, new.limit.currency().code()), new.limit.minor());
        let there = state.accounts.get(&key);
        let before =
            there.map(|account| Money::from_minor(new.limit.currency(), account.limit_minor).unwrap());
        let charged_minor = there.map_or(0, |account| account.charged_minor);
        state.accounts.insert(key, Account { limit_minor, charged_minor });
        let NewLimit { user, limit: after, change: id, operator, reason, now_ms: changed_ms } = new.clone();
        let change = Change { id, user, before, after, operator, reason, changed_ms };
        changes.push(change.clone());
        Ok(change)
    }
}
