//! A running Order service on free ports, with its own database.

use std::{net::SocketAddr, sync::Arc};

use order::{Config, ServeError};
use proto::order::order_client::OrderClient;
use service_kit::{CancellationToken, env::Vars, process::Sockets};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use super::{Client, payment::FakePayment, until};

/// A service in a task. Without [`stop`](Self::stop) it ends with the runtime of the test.
pub(crate) struct RunningOrder {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<Result<(), ServeError>>,
    directory: Arc<TempDir>,
}

/// The configuration of calls in which each scripted reply belongs to one order: without retries.
const ONE_ATTEMPT: &str = "{}";

/// A service and the Payment that it calls once for each order.
pub(crate) async fn start() -> (Client, FakePayment, RunningOrder) {
    let payment = FakePayment::start();
    let service = RunningOrder::start(payment.address).await;
    (service.client().await, payment, service)
}

/// The URL of the database of a service in `directory`.
pub(crate) fn url(directory: &TempDir) -> String {
    format!("sqlite://{}", directory.path().join("orders.db").display())
}

impl RunningOrder {
    /// A service with a new database that calls Payment at this address.
    pub(crate) async fn start(payment: SocketAddr) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), payment, "development").await
    }

    pub(crate) async fn start_in(directory: Arc<TempDir>, payment: SocketAddr, mode: &str) -> Self {
        Self::start_calling(directory, payment, mode, ONE_ATTEMPT, "none").await
    }

    /// A service that uses the price list in its database.
    pub(crate) async fn start_with_prices(directory: Arc<TempDir>, payment: SocketAddr) -> Self {
        Self::start_calling(directory, payment, "development", ONE_ATTEMPT, "database").await
    }

    /// A service with a new database and the default configuration of calls.
    pub(crate) async fn start_with_retries(payment: SocketAddr) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let default = order::config::PAYMENT_SERVICE_CONFIG_DEFAULT;
        Self::start_calling(directory, payment, "development", default, "none").await
    }

    async fn start_calling(
        directory: Arc<TempDir>,
        payment: SocketAddr,
        mode: &str,
        service_config: &str,
        price_list: &str,
    ) -> Self {
        let url = url(&directory);
        let vars = Vars::from_iter([
            ("APPLICATION_PORT", "0"),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("ADMIN_ADDRESS", "127.0.0.1:0"),
            ("ENV", mode),
            ("DB_DRIVER", "sqlite"),
            ("DATA_SOURCE_URL", &url),
            ("PAYMENT_SERVICE_URL", &payment.to_string()),
            ("PAYMENT_SERVICE_CONFIG", service_config),
            ("PRICE_LIST", price_list),
        ]);
        let config = Config::read(&vars).unwrap();
        let sockets = Sockets::bind(&config.process).await.unwrap();
        let (address, admin) = (sockets.service.local_addr(), sockets.admin.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(order::serve(config, sockets, shutdown.clone()));
        Self { address, admin, shutdown, served, directory }
    }

    pub(crate) async fn client(&self) -> Client {
        OrderClient::new(self.channel().await)
    }

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        // Connections are refused until the database is open.
        until("the service listens", async || endpoint.connect().await.ok()).await
    }

    /// Shuts down gracefully, and returns the directory of the database.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
        self.directory
    }
}
