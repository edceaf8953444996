//! Values, ledgers and services that the tests start from.

use std::{net::SocketAddr, path::Path};

use async_trait::async_trait;
use chassis::{
    CancellationToken,
    env::Mode,
    ids::Minter,
    process::{Process, Sockets},
};
use database::{Database, Target};
use money::{Currency, Money};
use payment::{
    Config, ServeError,
    adapters::db::{AUDIT, DbLedger, MIGRATIONS},
    domain::{BillId, ChargeRequest, OrderId, Payment, PaymentId, Total, UserId},
    ports::{Ledger, LedgerError, NewCharge, NewVoid},
};
use proto::payment::payment_client::PaymentClient;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

pub(crate) fn order(id: i64) -> OrderId {
    OrderId::new(id).unwrap()
}

pub(crate) fn user(id: i64) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn money(code: &str, minor: i64) -> Money {
    Money::from_minor(Currency::from_code(code).unwrap(), minor).unwrap()
}

pub(crate) fn request(order_id: i64, user_id: i64, total: Money) -> ChargeRequest {
    ChargeRequest { order: order(order_id), user: user(user_id), total: Total::new(total).unwrap() }
}

/// Makes what is written: new ids, and a credit limit of 100.00.
#[derive(Debug, Default)]
pub(crate) struct Desk(Minter);

impl Desk {
    pub(crate) fn charge(&self, request: ChargeRequest) -> NewCharge {
        NewCharge {
            request,
            payment: PaymentId::new(self.0.mint()).unwrap(),
            bill: BillId::new(self.0.mint()).unwrap(),
            opening_limit: Money::from_minor(request.total.get().currency(), 10_000).unwrap(),
            now_ms: chassis::ids::now_ms(),
        }
    }

    pub(crate) fn void(&self, order: OrderId) -> NewVoid {
        let payment = PaymentId::new(self.0.mint()).unwrap();
        NewVoid { order, payment, now_ms: chassis::ids::now_ms() }
    }
}

/// A ledger whose accounts a test can look into.
#[async_trait]
pub(crate) trait Books: Ledger {
    /// What the account was charged, in minor units; `None` where there is no account.
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64>;

    /// How many accounts were charged anything but the sum of their CHARGED payments.
    async fn discrepancies(&self) -> usize;
}

/// The real ledger over a file of its own.
pub(crate) struct DbBooks {
    pub(crate) ledger: DbLedger,
    pub(crate) database: Database,
    _directory: TempDir,
}

impl DbBooks {
    pub(crate) async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = open(directory.path()).await;
        Self { ledger: DbLedger::new(database.clone()), database, _directory: directory }
    }
}

/// The database that the tests keep in `directory`.
pub(crate) fn target(directory: &Path) -> Target {
    Target::parse("sqlite", &format!("sqlite://{}/payment.db", directory.display())).unwrap()
}

pub(crate) async fn open(directory: &Path) -> Database {
    Database::open(&target(directory), &MIGRATIONS).await.unwrap()
}

#[async_trait]
impl Ledger for DbBooks {
    async fn record_charge(&self, charge: &NewCharge) -> Result<Payment, LedgerError> {
        self.ledger.record_charge(charge).await
    }

    async fn record_void(&self, void: &NewVoid) -> Result<Payment, LedgerError> {
        self.ledger.record_void(void).await
    }

    async fn find(&self, order: OrderId) -> Result<Option<Payment>, LedgerError> {
        self.ledger.find(order).await
    }
}

#[async_trait]
impl Books for DbBooks {
    async fn charged_minor(&self, user: UserId, currency: Currency) -> Option<i64> {
        sqlx::query_scalar("SELECT charged_minor FROM accounts WHERE user_id = ? AND currency = ?")
            .bind(user.get())
            .bind(currency.code())
            .fetch_optional(self.database.reader())
            .await
            .unwrap()
    }

    async fn discrepancies(&self) -> usize {
        sqlx::query(AUDIT).fetch_all(self.database.reader()).await.unwrap().len()
    }
}

/// The service on free ports, over the database in a directory.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) client: PaymentClient<Channel>,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Service {
    pub(crate) async fn start(directory: &Path) -> Self {
        let process = Process::on_loopback(Mode::Development);
        let sockets = Sockets::bind(&process).await.unwrap();
        let (address, admin) = (sockets.service.local_addr().unwrap(), sockets.admin.local_addr().unwrap());
        let config = Config { process, database: target(directory), credit_limit: "100".parse().unwrap() };
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(payment::serve(config, sockets, shutdown.clone()));
        let client = PaymentClient::connect(format!("http://{address}")).await.unwrap();
        Self { address, admin, client, shutdown, serving }
    }

    /// Tells the service to stop, and returns at once.
    pub(crate) fn tell_to_stop(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        drop(self.client);
        self.serving.await.unwrap().unwrap();
    }
}
