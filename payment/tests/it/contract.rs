//! The contracts of the ports `Ledger` and `Accounts`, tested on every store: in memory, on SQLite, MariaDB
//! and PostgreSQL, by one instance and by two; and broken stores that each test must detect.

use std::{future::Future, pin::Pin};

use test_support::Trial;

pub(crate) mod accounts;
pub(crate) mod ledger;
mod mutants;
pub(crate) mod stores;

use stores::{Backend, Store};

/// A test of the contract. It panics if a new, empty store breaks it.
pub(crate) type ContractTest = fn(Store) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Pairs each test with its name.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |store| Box::pin($name(store)))),*]
    };
}
use contract;

/// Every test of the contracts with its name.
pub(crate) fn tests() -> impl Iterator<Item = (&'static str, ContractTest)> {
    ledger::CONTRACT.iter().chain(accounts::CONTRACT).copied()
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for backend in Backend::ALL {
        for (name, test) in tests() {
            let name = format!("contract::{backend:?}::{name}");
            trials.push(test_support::trial(&name, backend.needs(), move || async move {
                test(Store::new(backend).await?).await;
                Ok(())
            }));
        }
    }
    trials.extend(mutants::trials());
    trials
}
