//! The public listener: HTTP/1.1 and HTTP/2, distinguished by the first bytes of a connection; over TLS if a
//! certificate is configured, else in plain text (h2c with prior knowledge).
//!
//! Each accepted connection is a task of its own, TLS handshake included, so that a slow client delays no
//! other.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use grpc_client::tls::ServerTls;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use service_kit::{
    CancellationToken,
    accept::{Acceptor, Opening},
    admin::{ACCEPTING, Readiness},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{limits, load_limits, service::GatewayService};

mod activity;
mod connection;
mod connection_limiter;
mod metrics;
mod tracked_io;

pub(crate) use connection_limiter::ConnectionLimiter;
pub(crate) use metrics::ConnectionMetrics;

/// Shared by the tasks of all connections.
struct ServerContext {
    http: Builder<TokioExecutor>,
    /// `None` for plain HTTP.
    tls: Option<ServerTls>,
    limiter: ConnectionLimiter,
    /// How long an HTTP/1.1 connection may be idle.
    keep_alive: Duration,
    gateway: GatewayService,
    /// Cancelled at shutdown: from then on HTTP/1.1 responses have `Connection: close`.
    draining: CancellationToken,
    /// Cancelled [`limits::DRAIN_LINGER`] later: from then on connections close after their requests in
    /// flight.
    closing: CancellationToken,
    /// Connections that a shutdown has closed although their clients kept them open.
    open_at_end: AtomicUsize,
}

impl ServerContext {
    /// Counts a connection that its client keeps open during a shutdown.
    fn count_open_at_end(&self) {
        if self.closing.is_cancelled() {
            self.open_at_end.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Serves until `shutdown` is cancelled and every accepted request has its response. The caller bounds that
/// time: dropping the future closes the remaining connections.
///
/// A graceful shutdown has two steps. For [`limits::DRAIN_LINGER`] the listener accepts further connections,
/// and HTTP/1.1 responses have `Connection: close`: a client may send its next request on an open connection
/// at any moment, and closing at that moment would abort it. Then pending connections are accepted and the
/// listener closes. Idle connections close too, connections without a request when they are as old, and all
/// others after their last response, whether or not their clients take part ([`limits::CLOSE_LINGER`]).
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: GatewayService,
    tls: Option<ServerTls>,
    config: &load_limits::Config,
    limiter: ConnectionLimiter,
    readiness: &Readiness,
    shutdown: &CancellationToken,
) {
    let server = Arc::new(ServerContext {
        http: http(config),
        tls,
        limiter,
        keep_alive: config.keep_alive,
        gateway,
        draining: shutdown.clone(),
        closing: CancellationToken::new(),
        open_at_end: AtomicUsize::new(0),
    });
    // Each address has a limit of connections, whether or not they have sent a request.
    let serve = |stream, peer, _: Opening| spawn(stream, peer, &server);
    let mut acceptor = Acceptor::new(listener, limits::CONNECTIONS_MAX);
    readiness.set(ACCEPTING, true);
    tokio::select! {
        () = acceptor.accept(serve) => {}
        () = shutdown.cancelled() => readiness.set(ACCEPTING, false),
    }
    if !acceptor.is_empty() {
        tokio::select! {
            () = acceptor.accept(serve) => {}
            () = sleep(limits::DRAIN_LINGER) => {}
        }
    }
    server.closing.cancel();
    let mut connections = acceptor.close(serve);
    while connections.join_next().await.is_some() {}
    let connections = server.open_at_end.load(Ordering::Relaxed);
    if connections > 0 {
        tracing::info!(connections, "closed the connections that clients keep open");
    }
}

fn http(config: &load_limits::Config) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let head_bytes_max = usize::try_from(limits::HEAD_BYTES_MAX).unwrap_or(usize::MAX);
    builder
        .http1()
        // `Activity` limits the time of a head apart from that of an idle connection.
        .header_read_timeout(None)
        .max_buf_size(head_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_per_connection_max)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS_MAX)
        .max_local_error_reset_streams(limits::ERROR_RESETS_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_header_list_size(limits::HEAD_BYTES_MAX)
        .keep_alive_interval(limits::KEEPALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEPALIVE_TIMEOUT);
    builder
}

/// The future that serves a connection, unless its address has reached its limit.
fn spawn(
    stream: TcpStream,
    peer: SocketAddr,
    server: &Arc<ServerContext>,
) -> Option<impl Future<Output = ()> + Send + use<>> {
    let guard = server.limiter.try_acquire(peer.ip())?;
    let server = server.clone();
    Some(async move {
        connection::serve(stream, peer.ip(), server).await;
        drop(guard);
    })
}

#[cfg(test)]
mod tests;
