//! The gRPC server of every service: health, reflection in development, limits, trace context, panics,
//! deadlines, load reports, and graceful shutdown.

use std::{future::Future, sync::Arc, time::Duration};

use grpc_client::tls::ServerTls;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::Routes;

use crate::{
    accept::Acceptor,
    admin::{ACCEPTING, Readiness},
    env::Mode,
    metrics::ServerMetrics,
    process::{BindError, BoundSocket, DRAIN_MAX},
    trace::Tracer,
};

mod connection;
mod connection_age;
mod health;
mod load;
mod preface;
mod reflection;
mod server_layer;
mod work;

use connection::ConnectionContext;
pub use connection::{AGE_GRACE, HANDSHAKE_MAX};
pub use connection_age::{ConnectionAge, VARIABLES};
use server_layer::ServerLayer;
pub use server_layer::{Deadline, TIME_LEFT_MIN, WATCHES_MAX};
use work::Work;

/// Limit of calls in flight of one server. A further call is rejected with NOT_STARTED.
pub const CALLS_IN_FLIGHT_MAX: usize = 1024;
/// Limit of a request message, in bytes; a longer one is RESOURCE_EXHAUSTED.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// Limit of open connections of one server; the next one waits in the listener's backlog. Its callers are
/// other services, with a few connections each.
pub const CONNECTIONS_MAX: usize = 4096;
/// How long the server does no work after the stop signal before it closes the connections that their peers
/// keep open. A healthy peer closes its own within a round trip of GOAWAY.
pub const CLOSE_LINGER: Duration = Duration::from_millis(600);

/// One gRPC server, ready to be served.
#[derive(Debug)]
pub struct Server {
    /// The domain of its `google.rpc.ErrorInfo`s, and its name in logs.
    pub domain: &'static str,
    /// Development turns on reflection.
    pub mode: Mode,
    /// Names of `grpc.health.v1.Health`, besides the empty name for the whole server.
    pub services: &'static [&'static str],
    /// The serialized `FileDescriptorSet` of reflection.
    pub descriptor_set: &'static [u8],
    /// Health is NOT_SERVING while a condition is unmet.
    pub readiness: Readiness,
    /// The metrics of calls.
    pub metrics: ServerMetrics,
    /// The tracer of calls.
    pub tracer: Tracer,
    /// Work that outlives its call. A shutdown waits for it.
    pub tasks: TaskTracker,
    /// TLS of connections; `None` for plain text.
    pub tls: Option<ServerTls>,
    /// The age at which connections end.
    pub connection_age: ConnectionAge,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another socket listens on the address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The descriptor set does not decode.
    #[error("reflection cannot be offered: {0}")]
    Reflection(#[from] prost::DecodeError),
}

impl Server {
    /// Listens on `socket` and serves `routes` until `shutdown` is cancelled. Then it finishes the calls in
    /// flight, all tasks, and `last` (closing the database), for at most
    /// [`DRAIN_MAX`]. Without a handler or a task that runs it closes all
    /// connections after [`CLOSE_LINGER`].
    ///
    /// # Errors
    ///
    /// [`ServeError`] where it cannot start.
    pub async fn serve(
        self,
        routes: Routes,
        socket: BoundSocket,
        shutdown: CancellationToken,
        last: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let mut routes = routes.add_service(health::server(self.services, self.readiness.clone()));
        if self.mode == Mode::Development {
            routes = reflection::add(routes, self.descriptor_set)?;
        }
        let layer = ServerLayer::new(self.domain, self.metrics, self.tracer, self.tasks.clone());
        let address = socket.local_addr();
        let listener = socket.listen()?;
        self.readiness.set(ACCEPTING, true);
        tracing::info!(service = self.domain, %address, tls = self.tls.is_some(), "serving gRPC");

        let context =
            Arc::new(ConnectionContext::new(&layer, routes, self.tls, self.connection_age, shutdown.clone()));
        let serve = |stream, peer, opening| Some(context.clone().serve(stream, peer, opening));
        let mut acceptor = Acceptor::new(listener, CONNECTIONS_MAX);
        tokio::select! {
            () = acceptor.accept(serve) => {}
            () = shutdown.cancelled() => self.readiness.set(ACCEPTING, false),
        }
        let work = Work { layer, tasks: self.tasks };
        let finished = work.finish(self.domain, acceptor.close(serve), last);
        if timeout(DRAIN_MAX, finished).await.is_err() {
            work.log_cut(self.domain);
        }
        Ok(())
    }
}
