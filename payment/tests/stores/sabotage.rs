//! Stores that break the contract, and the clauses that notice.

use std::sync::Arc;

use async_trait::async_trait;
use database::Database;
use money::{Currency, Money};
use payment::{
    domain::{OrderId, Payment, UserId},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};
use test_support::{Failed, Trial, check, server::Kind};

use crate::{
    Place, Store,
    books::{Books, DbBooks, execute},
    ledger, stores,
};

/// A way to break a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sabotage {
    /// None: the clauses hold, so that it is the sabotage that they notice.
    None,
    /// No key of a payment is unique.
    KeysDropped,
    /// Accounts are opened without a limit.
    LimitDropped,
    /// What was written into one column is read from another.
    ColumnsSwapped,
}

impl Sabotage {
    const ALL: [Self; 4] = [Self::None, Self::KeysDropped, Self::LimitDropped, Self::ColumnsSwapped];

    /// Clauses that must fail.
    fn noticed_by(self) -> &'static [&'static str] {
        match self {
            Self::None => &[
                "what_is_recorded_first_never_changes",
                "charges_of_many_orders_at_once_never_exceed_the_limit",
            ],
            Self::KeysDropped => &[
                "what_is_recorded_first_never_changes",
                "sixty_four_charges_of_one_order_at_once_charge_once",
                "charges_and_voids_of_one_order_at_once_agree_on_one_outcome",
                "an_id_that_is_taken_is_a_clash_that_writes_nothing",
            ],
            Self::LimitDropped => &[
                "a_charge_over_the_limit_is_recorded_and_leaves_the_account",
                "a_first_charge_over_the_limit_opens_the_account_uncharged",
                "charges_of_many_orders_at_once_never_exceed_the_limit",
            ],
            Self::ColumnsSwapped => &[
                "a_charge_is_recorded_with_every_field_and_debits_the_account",
                "what_is_recorded_first_never_changes",
            ],
        }
    }
}

/// The same table without any key, on every kind of database.
const DROP_KEYS: &str = "CREATE TABLE bare AS SELECT * FROM payments;
     DROP TABLE payments;
     ALTER TABLE bare RENAME TO payments";

const SWAP_COLUMNS: &str = "ALTER TABLE payments RENAME COLUMN created_at_ms TO swapped;
     ALTER TABLE payments RENAME COLUMN amount_minor TO created_at_ms;
     ALTER TABLE payments RENAME COLUMN swapped TO amount_minor";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for place in Place::DATABASES {
        for sabotage in Sabotage::ALL {
            let name = format!("{place:?}::sabotage::{sabotage:?}_is_noticed");
            trials.push(test_support::trial(&name, place.needs(), move || notice(place, sabotage)));
        }
    }
    trials
}

async fn notice(place: Place, sabotage: Sabotage) -> Result<(), Failed> {
    for name in sabotage.noticed_by() {
        let (_, clause) = ledger::CLAUSES.iter().find(|(known, _)| known == name).unwrap();
        let held = tokio::spawn(clause(broken(place, sabotage).await?)).await.is_ok();
        check(held == (sabotage == Sabotage::None), || format!("{name}: holds: {held}"))?;
    }
    Ok(())
}

async fn broken(place: Place, sabotage: Sabotage) -> Result<Store, Failed> {
    let books = match place {
        Place::MariaDb => DbBooks::over(&stores::on(Kind::MariaDb).await?).await,
        Place::Postgres => DbBooks::over(&stores::on(Kind::Postgres).await?).await,
        _ => DbBooks::in_file().await,
    };
    if sabotage == Sabotage::KeysDropped {
        execute(&books.database, DROP_KEYS).await;
    }
    let accounts = Arc::new(books.accounts.clone());
    let database = books.database.clone();
    Ok(Store { books: Arc::new(Broken { books, database, sabotage }), accounts })
}

struct Broken {
    books: DbBooks,
    database: Database,
    sabotage: Sabotage,
}

#[async_trait]
impl Ledger for Broken {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        let mut charge = *charge;
        if self.sabotage == Sabotage::LimitDropped {
            charge.opening_limit =
                Money::from_minor(charge.opening_limit.currency(), Money::MINOR_MAX).unwrap();
        }
        let recorded = self.books.record_charge(&charge).await;
        if self.sabotage == Sabotage::ColumnsSwapped {
            execute(&self.database, SWAP_COLUMNS).await;
        }
        recorded
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.books.record_void(void).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.books.find(order).await
    }
}

#[async_trait]
impl Books for Broken {
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        self.books.charged_minor(user, currency).await
    }

    async fn discrepancies(&self) -> usize {
        self.books.discrepancies().await
    }
}
