//! Stores that break the contract, each detected by the named tests.

use test_support::{Failed, Trial, check, server::Kind};

use super::{
    stores::{Backend, Store, new_database},
    tests,
};
use crate::fixtures::{TestDatabase, execute};

/// A way to break a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// The control: the tests pass on an unbroken store.
    None,
    /// The table of payments has no unique keys.
    KeysDropped,
    /// Accounts are opened without a limit, and in every currency.
    LimitDropped,
    /// Two columns are swapped between writing and reading.
    ColumnsSwapped,
}

impl Mutation {
    const ALL: [Self; 4] = [Self::None, Self::KeysDropped, Self::LimitDropped, Self::ColumnsSwapped];

    /// The tests that must fail.
    fn detected_by(self) -> &'static [&'static str] {
        match self {
            Self::None => {
                &["the_first_payment_of_an_order_never_changes", "concurrent_charges_never_exceed_the_limit"]
            }
            Self::KeysDropped => &[
                "the_first_payment_of_an_order_never_changes",
                "concurrent_charges_of_one_order_charge_once",
                "concurrent_charges_and_voids_agree_on_one_outcome",
                "a_taken_id_is_a_conflict_and_writes_nothing",
            ],
            Self::LimitDropped => &[
                "a_charge_over_the_limit_is_declined_without_a_debit",
                "a_first_charge_over_the_limit_opens_the_account_uncharged",
                "a_currency_that_is_not_accepted_is_declined_and_opens_no_account",
                "an_account_works_in_a_currency_that_is_not_accepted",
                "concurrent_charges_never_exceed_the_limit",
            ],
            Self::ColumnsSwapped => &[
                "a_charge_is_recorded_with_every_field_and_debits_the_account",
                "the_first_payment_of_an_order_never_changes",
            ],
        }
    }
}

/// Recreates the table without keys, in portable SQL.
const DROP_KEYS: &str = "CREATE TABLE bare AS SELECT * FROM payments;
     DROP TABLE payments;
     ALTER TABLE bare RENAME TO payments";

pub(super) const SWAP_COLUMNS: &str = "ALTER TABLE payments RENAME COLUMN created_at_ms TO swapped;
     ALTER TABLE payments RENAME COLUMN amount_minor TO created_at_ms;
     ALTER TABLE payments RENAME COLUMN swapped TO amount_minor";

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for backend in Backend::DATABASES {
        for mutation in Mutation::ALL {
            let name = format!("contract::{backend:?}::mutant_{mutation:?}_is_detected");
            trials.push(test_support::trial(&name, backend.needs(), move || detect(backend, mutation)));
        }
    }
    trials
}

async fn detect(backend: Backend, mutation: Mutation) -> Result<(), Failed> {
    for name in mutation.detected_by() {
        let (_, test) = tests().find(|(known, _)| known == name).unwrap();
        let passed = tokio::spawn(test(mutant(backend, mutation).await?)).await.is_ok();
        check(passed == (mutation == Mutation::None), || format!("{name}: passed: {passed}"))?;
    }
    Ok(())
}

async fn mutant(backend: Backend, mutation: Mutation) -> Result<Store, Failed> {
    let database = match backend {
        Backend::MariaDb => TestDatabase::open(&new_database(Kind::MariaDb).await?).await,
        Backend::Postgres => TestDatabase::open(&new_database(Kind::Postgres).await?).await,
        _ => TestDatabase::in_file().await,
    };
    if mutation == Mutation::KeysDropped {
        execute(&database.database, DROP_KEYS).await;
    }
    Ok(Store::over(vec![database], mutation))
}
