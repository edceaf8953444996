//! A ledger in memory, kept honest by the contract suite.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use money::{Currency, Money};
use payment::{
    domain::{self, Change, DeclineReason, OrderId, Outcome, Payment, UserId},
    ports::{Accounts, CHANGES_TOLD, Ledger, LedgerError, NewCharge, NewLimit, NewVoid},
};

use crate::books::Books;

#[derive(Clone, Default)]
pub(crate) struct FakeLedger(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    accounts: BTreeMap<(UserId, &'static str), Account>,
    payments: BTreeMap<OrderId, Payment>,
    changes: Vec<Change>,
}

struct Account {
    limit_minor: i64,
    charged_minor: i64,
}

impl FakeLedger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Keeps the payment, unless one of its ids is taken.
    fn keep(&mut self, payment: Payment) -> Result<Payment, LedgerError> {
        let bill = |payment: &Payment| match payment.outcome {
            Outcome::Charged { bill, .. } => Some(bill),
            _ => None,
        };
        let taken = self
            .payments
            .values()
            .any(|kept| kept.id == payment.id || (bill(kept).is_some() && bill(kept) == bill(&payment)));
        if taken {
            return Err(LedgerError::Clash);
        }
        self.payments.insert(payment.order, payment);
        Ok(payment)
    }
}

#[async_trait]
impl Ledger for FakeLedger {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        let mut state = self.state();
        let (user, total) = (charge.request.user, charge.request.total.get());
        if let Some(there) = state.payments.get(&charge.request.order) {
            return Ok(*there);
        }
        let key = (user, total.currency().code());
        let (limit, charged) =
            state.accounts.get(&key).map_or((charge.opening_limit.minor(), 0), |account| {
                (account.limit_minor, account.charged_minor)
            });
        let after = charged + total.minor();
        let outcome = if after <= limit {
            Outcome::Charged { user, total, bill: charge.bill }
        } else {
            Outcome::Declined { user, total, reason: DeclineReason::InsufficientBalance }
        };
        let kept = state.keep(Payment {
            id: charge.payment,
            order: charge.request.order,
            outcome,
            created_ms: charge.now_ms,
        })?;
        let charged_minor = if after <= limit { after } else { charged };
        state.accounts.insert(key, Account { limit_minor: limit, charged_minor });
        Ok(kept)
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        let mut state = self.state();
        if let Some(there) = state.payments.get(&void.order) {
            return Ok(*there);
        }
        state.keep(Payment {
            id: void.payment,
            order: void.order,
            outcome: Outcome::Voided,
            created_ms: void.now_ms,
        })
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        Ok(self.state().payments.get(&order).copied())
    }
}

#[async_trait]
impl Books for FakeLedger {
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        self.state().accounts.get(&(user, currency.code())).map(|account| account.charged_minor)
    }

    async fn discrepancies(&self) -> usize {
        let state = self.state();
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
        let state = self.state();
        let all = state.accounts.iter().map(|(&(owner, code), account)| {
            let in_currency = |minor| Money::from_minor(Currency::from_code(code).unwrap(), minor).unwrap();
            let changes = state.changes.iter().rev();
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
        let mut state = self.state();
        if state.changes.iter().any(|change| change.id == new.change) {
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
        state.changes.push(change.clone());
        Ok(change)
    }
}
