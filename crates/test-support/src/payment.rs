//! Fakes and values for tests of Payment's ports.
//!
//! [`FakeLedger`] passes the same contract tests as the ledgers on databases (`payment/tests/it/contract`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use money::{Currency, Money};
use payment::{
    domain::{Account, DeclineReason, LimitChange, OrderId, Outcome, Payment, UserId},
    ports::{Accounts, CHANGES_MAX, Ledger, LedgerError, NewCharge, NewLimit, NewVoid},
};

/// A ledger in memory, with its accounts. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct FakeLedger(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By user and currency code.
    accounts: BTreeMap<(UserId, &'static str), Balance>,
    payments: BTreeMap<OrderId, Payment>,
    /// The oldest first.
    changes: Vec<LimitChange>,
}

#[derive(Debug, Clone, Copy)]
struct Balance {
    limit: Money,
    charged: Money,
}

impl FakeLedger {
    /// Every payment, by order.
    pub fn payments(&self) -> Vec<Payment> {
        self.state().payments.values().copied().collect()
    }

    /// Every account, by user and currency.
    pub fn accounts(&self) -> Vec<Account> {
        let state = self.state();
        state.accounts.keys().map(|key| state.account(key)).collect()
    }

    /// The amount charged to an account, in minor units; `None` where the account does not exist.
    pub fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        self.state().accounts.get(&(user, currency.code())).map(|account| account.charged.minor())
    }

    /// The number of accounts whose charged amount is not the sum of their CHARGED payments.
    pub fn discrepancies(&self) -> usize {
        let state = self.state();
        let sum = |key: &(UserId, &'static str)| -> i64 {
            let amounts = state.payments.values().filter_map(|payment| match payment.outcome {
                Outcome::Charged { user, total, .. } if (user, total.currency().code()) == *key => {
                    Some(total.minor())
                }
                _ => None,
            });
            amounts.sum()
        };
        state.accounts.iter().filter(|(key, account)| sum(key) != account.charged.minor()).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// An account that exists, with its last changes.
    fn account(&self, key: &(UserId, &'static str)) -> Account {
        let Balance { limit, charged } = self.accounts[key];
        let changes = self.changes.iter().rev();
        let changes = changes.filter(|one| (one.user, one.after.currency().code()) == *key);
        Account { user: key.0, limit, charged, changes: changes.take(CHANGES_MAX).cloned().collect() }
    }

    /// Records `payment`, unless another payment has its id or its bill.
    fn record(&mut self, payment: Payment) -> Result<Payment, LedgerError> {
        let bill = |payment: &Payment| match payment.outcome {
            Outcome::Charged { bill, .. } => Some(bill),
            _ => None,
        };
        let is_taken = self
            .payments
            .values()
            .any(|other| other.id == payment.id || (bill(other).is_some() && bill(other) == bill(&payment)));
        if is_taken {
            return Err(LedgerError::Conflict);
        }
        self.payments.insert(payment.order, payment);
        Ok(payment)
    }
}

#[async_trait]
impl Ledger for FakeLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        let mut state = self.state();
        let (order, user, total) = (charge.request.order, charge.request.user, charge.request.total.get());
        if let Some(recorded) = state.payments.get(&order) {
            return Ok(*recorded);
        }
        let key = (user, total.currency().code());
        let opened =
            charge.opening_limit.map(|limit| Balance { limit, charged: Money::zero(total.currency()) });
        let mut account = state.accounts.get(&key).copied().or(opened);
        let outcome = match &mut account {
            None => Outcome::Declined { user, total, reason: DeclineReason::CurrencyNotAccepted },
            Some(account) => match account.charged.checked_add(total) {
                Ok(charged) if charged.minor() <= account.limit.minor() => {
                    account.charged = charged;
                    Outcome::Charged { user, total, bill: charge.bill }
                }
                _ => Outcome::Declined { user, total, reason: DeclineReason::InsufficientBalance },
            },
        };
        let payment =
            state.record(Payment { id: charge.payment, order, outcome, created_ms: charge.now_ms })?;
        if let Some(account) = account {
            state.accounts.insert(key, account);
        }
        Ok(payment)
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        let mut state = self.state();
        let NewVoid { order, payment: id, now_ms: created_ms } = *void;
        if let Some(recorded) = state.payments.get(&order) {
            return Ok(*recorded);
        }
        state.record(Payment { id, order, outcome: Outcome::Voided, created_ms })
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        Ok(self.state().payments.get(&order).copied())
    }
}

#[async_trait]
impl Accounts for FakeLedger {
    async fn find(&self, user: UserId, currency: Option<Currency>) -> Result<Vec<Account>, LedgerError> {
        let state = self.state();
        let is_wanted = |(owner, code): &&(UserId, &'static str)| {
            *owner == user && currency.is_none_or(|currency| currency.code() == *code)
        };
        Ok(state.accounts.keys().filter(is_wanted).map(|key| state.account(key)).collect())
    }

    async fn set_limit(&self, new: &NewLimit) -> Result<LimitChange, LedgerError> {
        let mut state = self.state();
        if state.changes.iter().any(|change| change.id == new.change) {
            return Err(LedgerError::Conflict);
        }
        let NewLimit { user, limit, change: id, operator, reason, now_ms: changed_ms } = new.clone();
        let key = (user, limit.currency().code());
        let account = state.accounts.get(&key).copied();
        let charged = account.map_or(Money::zero(limit.currency()), |account| account.charged);
        state.accounts.insert(key, Balance { limit, charged });
        let before = account.map(|account| account.limit);
        let change = LimitChange { id, user, before, after: limit, operator, reason, changed_ms };
        state.changes.push(change.clone());
        Ok(change)
    }
}
