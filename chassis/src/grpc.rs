//! The gRPC server that every service starts: health, reflection in development, limits, trace context,
//! panics caught, and a drain that cuts nothing.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{service::Routes, transport::server::TcpIncoming};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    admin::Readiness,
    env::Mode,
    metrics::ServerMetrics,
    process::{DRAIN_MAX, within_drain},
};

mod gate;

pub use gate::Deadline;

/// Calls that one server works on at once; the next is refused with NOT_STARTED.
pub const CALLS_IN_FLIGHT_MAX: usize = 1024;
/// Bytes of one request message; a longer one is OUT_OF_RANGE. Services set it on their generated servers.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// Streams that one connection may have open (HTTP/2 `SETTINGS_MAX_CONCURRENT_STREAMS`): more than
/// [`CALLS_IN_FLIGHT_MAX`], so that a caller with one connection is refused too, rather than left to queue
/// what it cannot send.
const STREAMS_PER_CONNECTION_MAX: u32 = 2048;
/// Bytes of all headers of one call.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// How often an idle peer is asked whether it is still there, and how long it may take to say so.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The condition of readiness that a drain ends.
const ACCEPTING: &str = "accepting";

/// One gRPC server, ready to be served.
#[derive(Debug)]
pub struct Server {
    /// The domain of its refusals (`google.rpc.ErrorInfo`) and its name in logs.
    pub domain: &'static str,
    /// Decides whether reflection is on.
    pub mode: Mode,
    /// Names that `grpc.health.v1.Health` answers for, besides the empty one for all.
    pub services: &'static [&'static str],
    /// A serialized `FileDescriptorSet`, for reflection.
    pub descriptor_set: &'static [u8],
    /// Where health looks; the service goes NOT_SERVING while any condition is unmet.
    pub readiness: Readiness,
    /// Where calls are counted.
    pub metrics: ServerMetrics,
    /// Work that goes on when its caller has left, and that a stop waits for.
    pub tasks: TaskTracker,
}

/// A server that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener has no address.
    #[error("the listener cannot be used: {0}")]
    Listener(#[from] io::Error),
    /// The descriptor set does not decode.
    #[error("reflection cannot be offered: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

impl Server {
    /// Serves `routes` until `shutdown` is cancelled, and then until what was in flight and every task is
    /// finished and `last` is done (the closing of a database), or [`DRAIN_MAX`] has passed.
    ///
    /// # Errors
    ///
    /// [`ServeError`] where it could not start or go on.
    pub async fn serve(
        self,
        routes: Routes,
        listener: TcpListener,
        shutdown: CancellationToken,
        last: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let address: SocketAddr = listener.local_addr()?;
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = routes.add_service(health);
        if self.mode == Mode::Development {
            let builder = || {
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(self.descriptor_set)
            };
            routes = routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?);
        }
        let gate = gate::GateLayer::new(self.domain, self.metrics, self.tasks.clone());
        let watcher = tokio::spawn(report(reporter, self.services, self.readiness.clone()));
        let _stop_watching = AbortOnDrop(watcher);
        self.readiness.set(ACCEPTING, true);
        tracing::info!(service = self.domain, %address, "serving gRPC");

        let drain = shutdown.clone();
        let readiness = self.readiness.clone();
        let stopped = async move {
            shutdown.cancelled().await;
            readiness.set(ACCEPTING, false);
        };
        let server = tonic::transport::Server::builder()
            .layer(gate)
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .add_routes(routes)
            // `tcp_nodelay` of the builder does nothing for a listener that is handed in.
            .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stopped);
        let working = async {
            let served = server.await;
            self.tasks.close();
            self.tasks.wait().await;
            last.await;
            served
        };
        match within_drain(working, &drain).await {
            Some(served) => Ok(served?),
            None => {
                let tasks = self.tasks.len();
                tracing::error!(
                    service = self.domain,
                    tasks,
                    "work was still going on after {DRAIN_MAX:?} of draining"
                );
                Ok(())
            }
        }
    }
}

/// Keeps every health status equal to readiness.
async fn report(mut reporter: HealthReporter, services: &'static [&'static str], readiness: Readiness) {
    let mut changes = readiness.subscribe();
    loop {
        let status = if readiness.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
        let draining = readiness.unmet().contains(&ACCEPTING);
        for name in services.iter().chain(&[""]) {
            reporter.set_service_status(*name, status).await;
            // A watch is a call that never ends by itself. It is told of the drain, and then let go.
            if draining {
                reporter.clear_service_status(name).await;
                reporter.set_service_status(*name, status).await;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
