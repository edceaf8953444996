//! The contract of the ports over every adapter: in memory, SQLite, MariaDB and PostgreSQL, by one instance
//! and by two; and what sabotage each clause notices.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy's own exception covers test functions, not what they call"
)]

use std::{future::Future, pin::Pin, process::ExitCode};

mod accounts;
mod books;
mod ledger;
mod plans;
mod sabotage;
mod stores;

use stores::{Place, Store};

/// A sentence of the contract, which panics where it does not hold of a new store.
type Clause = fn(Store) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// The clauses of these names, with them.
macro_rules! clauses {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |store| Box::pin($name(store)))),*]
    };
}
use clauses;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for place in Place::ALL {
        for &(name, clause) in ledger::CLAUSES.iter().chain(accounts::CLAUSES) {
            trials.push(test_support::trial(
                &format!("{place:?}::{name}"),
                place.needs(),
                move || async move {
                    clause(Store::new(place).await?).await;
                    Ok(())
                },
            ));
        }
    }
    trials.extend(sabotage::trials());
    trials.extend(plans::trials());
    test_support::run(trials)
}
