//! The stores that the contract tests run on, each new and empty.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use database::DatabaseUrl;
use money::{Currency, Money};
use payment::{
    domain::{OrderId, Payment, UserId},
    ports::{Accounts, Ledger, LedgerError, NewCharge, NewVoid},
};
use test_support::{
    Failed, Need,
    payment::FakeLedger,
    server::{Kind, Server},
};

use super::mutants::{Mutation, SWAP_COLUMNS};
use crate::fixtures::{TestDatabase, execute};

/// The database of a store, and the number of instances that use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Fake,
    Sqlite,
    MariaDb,
    Postgres,
    TwoOnMariaDb,
    TwoOnPostgres,
}

impl Backend {
    pub(crate) const ALL: [Self; 6] =
        [Self::Fake, Self::Sqlite, Self::MariaDb, Self::Postgres, Self::TwoOnMariaDb, Self::TwoOnPostgres];
    pub(crate) const DATABASES: [Self; 3] = [Self::Sqlite, Self::MariaDb, Self::Postgres];

    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::Fake | Self::Sqlite => &[],
            Self::MariaDb | Self::TwoOnMariaDb => &[Need::MariaDb],
            Self::Postgres | Self::TwoOnPostgres => &[Need::Postgres],
        }
    }
}

/// A store under test: its ports, and access to its accounts.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) accounts: Arc<dyn Accounts>,
    state: State,
}

#[derive(Clone)]
enum State {
    Fake(FakeLedger),
    Database(Arc<DbStore>),
}

impl Store {
    pub(crate) async fn new(backend: Backend) -> Result<Self, Failed> {
        let databases = match backend {
            Backend::Fake => {
                let fake = FakeLedger::default();
                let (ledger, accounts) = (Arc::new(fake.clone()), Arc::new(fake.clone()));
                return Ok(Self { ledger, accounts, state: State::Fake(fake) });
            }
            Backend::Sqlite => vec![TestDatabase::in_file().await],
            Backend::MariaDb => vec![TestDatabase::open(&new_database(Kind::MariaDb).await?).await],
            Backend::Postgres => vec![TestDatabase::open(&new_database(Kind::Postgres).await?).await],
            Backend::TwoOnMariaDb => two_instances(Kind::MariaDb).await?,
            Backend::TwoOnPostgres => two_instances(Kind::Postgres).await?,
        };
        Ok(Self::over(databases, Mutation::None))
    }

    /// A store over one database, used by `instances` in turn, that breaks the contract by `mutation`.
    pub(super) fn over(instances: Vec<TestDatabase>, mutation: Mutation) -> Self {
        // With two instances, another one sets limits than the first one that charges.
        let accounts = Arc::new(instances[instances.len() - 1].accounts.clone());
        let store = Arc::new(DbStore { instances, calls: AtomicUsize::new(0), mutation });
        Self { ledger: store.clone(), accounts, state: State::Database(store) }
    }

    /// The amount charged to an account, in minor units; `None` if the account does not exist.
    pub(crate) async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        match &self.state {
            State::Fake(fake) => fake.charged_minor(user, currency),
            State::Database(store) => store.next().charged_minor(user, currency).await,
        }
    }

    /// The number of accounts whose charged amount is not the sum of their CHARGED payments.
    pub(crate) async fn discrepancies(&self) -> usize {
        match &self.state {
            State::Fake(fake) => fake.discrepancies(),
            State::Database(store) => store.next().discrepancies().await,
        }
    }
}

/// The URL of a new database on the shared server of this kind.
pub(crate) async fn new_database(kind: Kind) -> Result<DatabaseUrl, Failed> {
    let server = Server::shared(kind).await?;
    let name = server.new_database().await?;
    let driver = match kind {
        Kind::MariaDb => "mysql",
        Kind::Postgres => "postgres",
    };
    Ok(DatabaseUrl::parse(driver, &server.url(&name))?)
}

async fn two_instances(kind: Kind) -> Result<Vec<TestDatabase>, Failed> {
    let url = new_database(kind).await?;
    // Both migrate the empty database concurrently.
    let (first, second) = tokio::join!(TestDatabase::open(&url), TestDatabase::open(&url));
    Ok(vec![first, second])
}

/// The ledger of a database: calls go to its instances in turn (round robin), with a mutation.
struct DbStore {
    instances: Vec<TestDatabase>,
    calls: AtomicUsize,
    mutation: Mutation,
}

impl DbStore {
    fn next(&self) -> &TestDatabase {
        &self.instances[self.calls.fetch_add(1, Ordering::Relaxed) % self.instances.len()]
    }
}

#[async_trait]
impl Ledger for DbStore {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        let (instance, mut charge) = (self.next(), *charge);
        if self.mutation == Mutation::LimitDropped {
            let currency = charge.request.total.get().currency();
            charge.opening_limit = Some(Money::from_minor(currency, Money::MINOR_MAX).unwrap());
        }
        let recorded = instance.ledger.record_charge(&charge).await;
        if self.mutation == Mutation::ColumnsSwapped {
            execute(&instance.database, SWAP_COLUMNS).await;
        }
        recorded
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.next().ledger.record_void(void).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.next().ledger.find(order).await
    }
}
