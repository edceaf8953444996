//! Compares the accounts with the sums of their CHARGED payments.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use payment::{
    adapters::db::{AccountKey, AuditedAccount, CUSTOMERS_MAX, DbLedger},
    domain::UserId,
};

use super::{PAGE_ROWS, progress::Progress};

/// The sums of the CHARGED payments in minor units, by currency and user: 17 to 35 bytes per account.
#[derive(Debug, Default)]
pub(super) struct Sums(HashMap<String, HashMap<UserId, i64>>);

impl Sums {
    pub(super) fn add(&mut self, account: &AccountKey, minor: i64) {
        if !self.0.contains_key(&account.currency) {
            self.0.insert(account.currency.clone(), HashMap::new());
        }
        if let Some(of_currency) = self.0.get_mut(&account.currency) {
            let sum = of_currency.entry(account.user).or_default();
            *sum = sum.saturating_add(minor);
        }
    }

    /// Takes the sum of an account; 0 without a payment.
    fn take(&mut self, account: &AccountKey) -> i64 {
        self.0.get_mut(&account.currency).and_then(|users| users.remove(&account.user)).unwrap_or(0)
    }

    /// The users with payments that no account was compared with.
    fn into_users(self) -> impl Iterator<Item = UserId> {
        self.0.into_values().flat_map(HashMap::into_keys)
    }
}

/// The accounts that differ from the sums and, in a snapshot of the database, from their payments too, sorted.
/// The services may have written since the payments were summed.
pub(super) async fn unbalanced(
    ledger: &DbLedger,
    mut sums: Sums,
    progress: &Progress,
) -> anyhow::Result<Vec<AccountKey>> {
    let mut candidates = BTreeSet::new();
    let mut after = None;
    loop {
        let page = ledger.account_page(after, PAGE_ROWS).await.context("cannot read the accounts")?;
        progress.accounts.add(page.len());
        for AuditedAccount { key, charged_minor } in &page {
            if sums.take(key) != *charged_minor {
                candidates.insert(key.user);
            }
        }
        let is_last = page.len() < PAGE_ROWS as usize;
        after = page.into_iter().next_back().map(|account| account.key);
        if is_last {
            break;
        }
    }
    candidates.extend(sums.into_users());
    let candidates: Vec<UserId> = candidates.into_iter().collect();
    let mut found = Vec::new();
    for users in candidates.chunks(CUSTOMERS_MAX) {
        found.extend(ledger.unbalanced(users.to_vec()).await.context("cannot read the accounts")?);
        progress.again.add(users.len());
    }
    found.sort_unstable();
    Ok(found)
}
