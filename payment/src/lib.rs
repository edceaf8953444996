//! The Payment service: charges customers, at most once per order. The reply for an order never changes.
//!
//! - [`domain`]: values and rules; [`application`]: use cases; [`ports`]: the interfaces they need
//! - [`adapters`]: implementations of the ports: gRPC, databases, metrics, clock and ids
//! - [`serve`] wires them together; [`cli`] is the command line

pub mod adapters;
pub mod application;
pub mod cli;
pub mod config;
pub mod domain;
pub mod ports;

use std::sync::Arc;

use database::{Database, OpenError};
use proto::payment::payment_server::PaymentServer;
use service_kit::{
    CancellationToken,
    admin::{Admin, Readiness},
    grpc::{ServeError as GrpcError, Server},
    metrics::{ServerMetrics, registry},
    process::{BindError, Sockets},
    tls,
    trace::Tracer,
};
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use adapters::{
    db::{DbLedger, MIGRATIONS},
    grpc::{DOMAIN, PaymentService},
    metrics::{ChargeMetrics, MeteredLedger},
    runtime::{SystemClock, TimeOrderedIds},
};
use application::Application;

pub use config::Config;

/// Why the service stopped with an error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address is in use.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The database could not be opened.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The gRPC server failed.
    #[error(transparent)]
    Grpc(#[from] GrpcError),
}

/// Binds the addresses of `config` and serves until `shutdown` is cancelled.
///
/// # Errors
///
/// [`ServeError`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), ServeError> {
    let sockets = Sockets::bind(&config.process).await?;
    serve(config, sockets, shutdown).await
}

/// Serves on `sockets` until `shutdown` is cancelled, then drains: waits for the charges in flight, for at
/// most [`DRAIN_MAX`](service_kit::process::DRAIN_MAX).
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
    let charges = ChargeMetrics::register(&mut registry);
    config.database.metrics = database::Metrics::register(&mut registry);
    let metrics = ServerMetrics::register(&mut registry);
    config.database.log_warnings(&readiness);
    config.tls.log_warnings(&readiness);
    tls::register_certificates(&mut registry, &config.tls, None);
    let _admin = Admin::start(sockets.admin, readiness.clone(), Arc::new(registry));
    let opening = Database::open(&config.database, &MIGRATIONS);
    let Some(opened) = shutdown.run_until_cancelled(opening).await else { return Ok(()) };
    let database = opened?;
    readiness.set("database", true);
    let tasks = TaskTracker::new();
    let ledger = Arc::new(DbLedger::new(database.clone()));
    #[cfg(feature = "fault-injection")]
    let ledger = adapters::fault_injection::around(ledger, &config.database.faults);
    let ledger = Arc::new(MeteredLedger::new(ledger, charges));
    let application = Application {
        ledger,
        clock: Arc::new(SystemClock),
        ids: Arc::new(TimeOrderedIds::default()),
        credit_limits: Arc::new(config.credit_limits),
    };
    let health_check = database.spawn_health_check(readiness.clone());
    let server = Server {
        domain: DOMAIN,
        mode: config.process.mode,
        services: &["Payment"],
        descriptor_set: proto::PAYMENT_DESCRIPTOR_SET,
        readiness,
        metrics,
        tracer: tracer.clone(),
        tasks: tasks.clone(),
        tls: config.tls.server,
        connection_age: config.connection_age,
    };
    let payments = PaymentServer::new(PaymentService::new(application, tasks));
    let served = server.serve(Routes::new(payments), sockets.service, shutdown, database.close()).await;
    health_check.abort();
    tracer.stop().await;
    Ok(served?)
}
