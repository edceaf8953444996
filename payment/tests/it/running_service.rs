//! The service in this process, for tests.

use std::{net::SocketAddr, path::Path, time::Duration};

use database::{Database, DatabaseUrl};
use payment::{Config, ServeError, adapters::db::MIGRATIONS};
use proto::payment::payment_client::PaymentClient;
use service_kit::{
    CancellationToken,
    env::Mode,
    process::{Process, Sockets},
};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// The URL of the database in `directory`.
fn url(directory: &Path) -> DatabaseUrl {
    DatabaseUrl::parse("sqlite", &format!("sqlite://{}/payment.db", directory.display())).unwrap()
}

pub(crate) async fn open(directory: &Path) -> Database {
    Database::open(&database::Config::new(url(directory)), &MIGRATIONS).await.unwrap()
}

/// The credit limits of [`Service`].
const CREDIT_LIMITS: &str = "USD:100,EUR:100,JPY:100,KWD:100";

/// A running service on free ports.
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
        let (address, admin) = (sockets.service.local_addr(), sockets.admin.local_addr().unwrap());
        let config = Config {
            process,
            database: database::Config::new(url(directory)),
            credit_limits: CREDIT_LIMITS.parse().unwrap(),
            connection_age: service_kit::grpc::ConnectionAge::default(),
            tls: service_kit::tls::Config::default(),
            traces: service_kit::trace::Config::default(),
        };
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(payment::serve(config, sockets, shutdown.clone()));
        let client = tokio::time::timeout(START_MAX, connected(address)).await.unwrap();
        Self { address, admin, client, shutdown, serving }
    }

    /// Starts a graceful shutdown and returns at once.
    pub(crate) fn start_shutdown(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        drop(self.client);
        self.serving.await.unwrap().unwrap();
    }
}

/// Time limit for the start of the service.
const START_MAX: Duration = Duration::from_secs(30);

/// Connects to the service at `address` as soon as it listens.
async fn connected(address: SocketAddr) -> PaymentClient<Channel> {
    loop {
        if let Ok(client) = PaymentClient::connect(format!("http://{address}")).await {
            return client;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
