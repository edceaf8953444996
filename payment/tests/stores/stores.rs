//! Every kind of store that the contract is held against, new and empty.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use database::DatabaseUrl;
use money::Currency;
use payment::{
    domain::{OrderId, Payment, UserId},
    ports::{Accounts, Ledger, LedgerError, NewCharge, NewVoid},
};
use test_support::{
    Failed, Need,
    payment::FakeLedger,
    server::{Kind, Server},
};

use crate::books::{Books, DbBooks};

/// Where a store is, and how many instances use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Fake,
    Sqlite,
    MariaDb,
    Postgres,
    TwoOverMariaDb,
    TwoOverPostgres,
}

impl Place {
    pub(crate) const ALL: [Self; 6] = [
        Self::Fake,
        Self::Sqlite,
        Self::MariaDb,
        Self::Postgres,
        Self::TwoOverMariaDb,
        Self::TwoOverPostgres,
    ];
    pub(crate) const DATABASES: [Self; 3] = [Self::Sqlite, Self::MariaDb, Self::Postgres];

    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::Fake | Self::Sqlite => &[],
            Self::MariaDb | Self::TwoOverMariaDb => &[Need::MariaDb],
            Self::Postgres | Self::TwoOverPostgres => &[Need::Postgres],
        }
    }
}

/// A store through its ports.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) books: Arc<dyn Books>,
    pub(crate) accounts: Arc<dyn Accounts>,
}

impl Store {
    pub(crate) async fn new(place: Place) -> Result<Self, Failed> {
        let (first, second) = match place {
            Place::Fake => {
                let fake = FakeLedger::default();
                return Ok(Self { books: Arc::new(fake.clone()), accounts: Arc::new(fake) });
            }
            Place::Sqlite => (DbBooks::in_file().await, None),
            Place::MariaDb => (DbBooks::over(&on(Kind::MariaDb).await?).await, None),
            Place::Postgres => (DbBooks::over(&on(Kind::Postgres).await?).await, None),
            Place::TwoOverMariaDb => two(Kind::MariaDb).await?,
            Place::TwoOverPostgres => two(Kind::Postgres).await?,
        };
        Ok(Self::of(first, second))
    }

    fn of(first: DbBooks, second: Option<DbBooks>) -> Self {
        let accounts = Arc::new(first.accounts.clone());
        match second {
            None => Self { books: Arc::new(first), accounts },
            Some(second) => {
                // Who sets limits is another instance than who charges next.
                let accounts = Arc::new(second.accounts.clone());
                Self {
                    books: Arc::new(InTurn { both: [first, second], calls: AtomicUsize::new(0) }),
                    accounts,
                }
            }
        }
    }
}

/// A new database on the server of this kind.
pub(crate) async fn on(kind: Kind) -> Result<DatabaseUrl, Failed> {
    let server = Server::shared(kind).await?;
    let name = server.new_database().await?;
    let driver = match kind {
        Kind::MariaDb => "mysql",
        Kind::Postgres => "postgres",
    };
    Ok(DatabaseUrl::parse(driver, &server.url(&name))?)
}

async fn two(kind: Kind) -> Result<(DbBooks, Option<DbBooks>), Failed> {
    let target = on(kind).await?;
    // Both find the database empty at the same time.
    let (first, second) = tokio::join!(DbBooks::over(&target), DbBooks::over(&target));
    Ok((first, Some(second)))
}

/// Two instances over one database, each call to the other one than the call before.
struct InTurn {
    both: [DbBooks; 2],
    calls: AtomicUsize,
}

impl InTurn {
    fn next(&self) -> &DbBooks {
        &self.both[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
impl Ledger for InTurn {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        self.next().record_charge(charge).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.next().record_void(void).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.next().find(order).await
    }
}

#[async_trait]
impl Books for InTurn {
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        self.next().charged_minor(user, currency).await
    }

    async fn discrepancies(&self) -> usize {
        self.next().discrepancies().await
    }
}

#[async_trait]
impl Books for FakeLedger {
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        Self::charged_minor(self, user, currency)
    }

    async fn discrepancies(&self) -> usize {
        Self::discrepancies(self)
    }
}
