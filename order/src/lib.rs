//! The Order service: saves an order, charges the customer through Payment, and settles the order.
//!
//! - [`domain`]: the rules of an order, without I/O
//! - [`application`]: the use cases, over the [`ports`]
//! - [`adapters`]: gRPC server, client of Payment, database, runtime
//! - [`serve`] wires them together

pub mod adapters;
pub mod application;
pub mod cli;
pub mod config;
pub mod domain;
pub mod ports;

use std::sync::Arc;

use database::{Database, OpenError};
use grpc_client::tls::TlsError;
use proto::order::order_server::OrderServer;
use service_kit::{
    CancellationToken,
    admin::{Admin, Readiness},
    grpc::{ServeError as GrpcError, Server},
    metrics::{ServerMetrics, registry},
    process::{BindError, Sockets},
    tls,
    trace::Tracer,
};
use tonic::service::Routes;

use adapters::{
    db::{DbOrders, DbPrices, MIGRATIONS},
    grpc::{DOMAIN, OrderService},
    monitor::Metrics,
    payment::PaymentOverGrpc,
    runtime::{SystemClock, SystemIdGenerator, TrackedTasks},
};
use application::{Application, Leases, Waiters};
use ports::PriceList;

pub use config::{Config, PriceSource};

/// Why the service could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The database cannot be used.
    #[error("the database of orders cannot be used: {0}")]
    Database(#[from] OpenError),
    /// The system has no root certificates for calls of Payment by TLS.
    #[error("Payment cannot be called by TLS: {0}")]
    Tls(#[from] TlsError),
    /// The gRPC server failed.
    #[error(transparent)]
    Grpc(#[from] GrpcError),
}

/// Binds the addresses of `config` and serves there until `shutdown` is cancelled.
///
/// # Errors
///
/// [`ServeError`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), ServeError> {
    let sockets = Sockets::bind(&config.process).await?;
    serve(config, sockets, shutdown).await
}

/// Serves on `sockets` once the database is open, until `shutdown` is cancelled and every order in progress
/// is settled, or [`DRAIN_MAX`](service_kit::process::DRAIN_MAX) has passed.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve(
    mut config: Config,
    sockets: Sockets,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let (readiness, mut registry) = (Readiness::default(), registry(DOMAIN));
    let tracer = Tracer::start(&config.traces, &mut registry);
    config.database.metrics = database::Metrics::register(&mut registry);
    let metrics = ServerMetrics::register(&mut registry);
    let monitor = Arc::new(Metrics::register(&mut registry));
    let call_metrics = grpc_client::Metrics::register(&mut registry);
    let payments = PaymentOverGrpc::new(config.payment.channel(&config.tls, &call_metrics)?);
    config.database.log_warnings(&readiness);
    config.tls.log_warnings(&readiness);
    tls::register_certificates(&mut registry, &config.tls, None);
    let _admin = Admin::start(sockets.admin, readiness.clone(), Arc::new(registry));
    let opening = Database::open(&config.database, &MIGRATIONS);
    let Some(opened) = shutdown.run_until_cancelled(opening).await else { return Ok(()) };
    let database = opened?;
    let tasks = TrackedTasks::new(tracer.clone());
    let (orders, payments) = (Arc::new(DbOrders::new(database.clone())), Arc::new(payments));
    #[cfg(feature = "fault-injection")]
    let (orders, payments) = adapters::fault_injection::around(orders, payments, &config.database.faults);
    let price_list: Option<Arc<dyn PriceList>> = match config.prices {
        PriceSource::Caller => None,
        PriceSource::Database => Some(Arc::new(DbPrices::new(database.clone()))),
    };
    let application = Application {
        orders,
        price_list,
        payments,
        clock: Arc::new(SystemClock::default()),
        ids: Arc::new(SystemIdGenerator::default()),
        tasks: Arc::new(tasks.clone()),
        monitor,
        waiters: Waiters::default(),
        leases: Leases::default(),
    };
    let reconciling = application.clone();
    let reconciler = shutdown.clone().run_until_cancelled_owned(async move { reconciling.reconcile().await });
    tokio::spawn(reconciler);
    let health_check = database.spawn_health_check(readiness.clone());
    let server = Server {
        domain: DOMAIN,
        mode: config.process.mode,
        services: &["Order"],
        descriptor_set: proto::ORDER_DESCRIPTOR_SET,
        readiness,
        metrics,
        tracer: tracer.clone(),
        tasks: tasks.tracker,
        tls: config.tls.server,
        connection_age: config.connection_age,
    };
    let orders = OrderServer::new(OrderService::new(application));
    let served = server.serve(Routes::new(orders), sockets.service, shutdown, database.close()).await;
    health_check.abort();
    tracer.stop().await;
    Ok(served?)
}
