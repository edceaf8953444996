//! The public listener: HTTP/1.1 and HTTP/2, told apart by what a client sends first; over TLS where there is a
//! certificate, else in plain text (h2c by prior knowledge).
//!
//! Each connection is a task from the moment on at which it is accepted, its TLS handshake included, so that one that
//! is slow holds up no other.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use grpc_client::tls::ServerTls;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use service_kit::{
    CancellationToken,
    admin::{ACCEPTING, Readiness},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::{limits, service::GatewayService};

mod activity;
mod connection;
mod connection_limiter;
mod metrics;

pub(crate) use connection_limiter::ConnectionLimiter;
pub(crate) use metrics::ConnectionMetrics;

/// How long to wait before accepting again where the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection is server with.
struct ServerContext {
    http: Builder<TokioExecutor>,
    /// `None` for plain text.
    tls: Option<ServerTls>,
    limiter: ConnectionLimiter,
    gateway: GatewayService,
    /// Cancelled by a stop: answers say `Connection: close` from then on.
    draining: CancellationToken,
    /// Cancelled when connections are to close after what is in flight on them.
    closing: CancellationToken,
}

/// Serves what is behind `door` until `shutdown` is cancelled and every request that was accepted is answered. How long
/// that may take is for the caller to bound: dropping the future closes what is still open.
///
/// A stop has two steps. For [`limits::DRAIN_LINGER`] all goes on, and answers tell HTTP/1.1 clients that
/// their connection closes: one that keeps a connection open may send its next request at any moment, and
/// closing in that moment would cut it. Then the listener closes, once everyone who had connected is let in;
/// idle connections close too, new ones when they had as long, and the others after their last answer.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: GatewayService,
    tls: Option<ServerTls>,
    limiter: ConnectionLimiter,
    readiness: &Readiness,
    shutdown: &CancellationToken,
) {
    let server = Arc::new(ServerContext {
        http: http(),
        tls,
        limiter,
        gateway,
        draining: shutdown.clone(),
        closing: CancellationToken::new(),
    });
    let mut open = JoinSet::new();
    readiness.set(ACCEPTING, true);
    tokio::select! {
        () = accept(&listener, &server, &mut open) => {}
        () = shutdown.cancelled() => readiness.set(ACCEPTING, false),
    }
    if !open.is_empty() {
        tokio::select! {
            () = accept(&listener, &server, &mut open) => {}
            () = sleep(limits::DRAIN_LINGER) => {}
        }
    }
    server.closing.cancel();
    accept_rest(listener, &server, &mut open);
    while open.join_next().await.is_some() {}
}

fn http() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let head_bytes_max = usize::try_from(limits::HEAD_BYTES_MAX).unwrap_or(usize::MAX);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_READ_MAX)
        .max_buf_size(head_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION_MAX)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS_MAX)
        .max_local_error_reset_streams(limits::ERROR_RESETS_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_header_list_size(limits::HEAD_BYTES_MAX)
        .keep_alive_interval(limits::KEEPALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEPALIVE_TIMEOUT);
    builder
}

/// Accepts connections for ever, as long as no more than [`limits::CONNECTIONS_MAX`] are open.
async fn accept(listener: &TcpListener, server: &Arc<ServerContext>, open: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < limits::CONNECTIONS_MAX => match accepted {
                Ok((stream, peer)) => begin(stream, peer, server, open),
                Err(error) => pause_after(&error).await,
            }
        }
    }
}

/// Serves a connection, unless its address has as many as it may have.
fn begin(stream: TcpStream, peer: SocketAddr, server: &Arc<ServerContext>, open: &mut JoinSet<()>) {
    if let Some(guard) = server.limiter.try_acquire(peer.ip()) {
        let server = server.clone();
        open.spawn(async move {
            connection::serve(stream, peer.ip(), server).await;
            drop(guard);
        });
    }
}

/// Accepts whoever has connected by now, and closes the listener: for those clients the connection stands, and
/// a request may be on its way.
fn accept_rest(listener: TcpListener, server: &Arc<ServerContext>, open: &mut JoinSet<()>) {
    // The runtime may not have been told of all of them yet, so the system itself is asked.
    let Ok(listener) = listener.into_std() else { return };
    while open.len() < limits::CONNECTIONS_MAX
        && let Ok((stream, peer)) = listener.accept()
    {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            begin(stream, peer, server, open);
        }
    }
}

/// A connection that its client gave up costs nothing; for any other reason the next one fails as fast.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "a connection cannot be accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
