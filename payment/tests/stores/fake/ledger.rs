//! A ledger in memory. It keeps the same contract as those that keep payments on disk.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use payment::{
    domain::{DeclineReason, OrderId, Outcome, Payment, UserId},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};

/// Accounts and payments. A clone is the same ledger.
#[derive(Clone, Default)]
pub(crate) struct FakeLedger(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    /// By user and currency.
    pub(crate) accounts: BTreeMap<(UserId, &'static str), Account>,
    pub(crate) payments: BTreeMap<OrderId, Payment>,
}

pub(crate) struct Account {
    pub(crate) limit_minor: i64,
    pub(crate) charged_minor: i64,
}

impl FakeLedger {
    /// What it holds, for whoever looks into it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
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
