//! One connection of a gRPC server, from its TLS handshake to its end.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use grpc_client::tls::ServerTls;
use http::Request;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    body::Body,
    service::Routes,
    transport::server::{Connected, TcpConnectInfo},
};
use tower::{Layer, Service};

use super::{
    ConnectionAge, preface,
    server_layer::{ServerLayer, ServerService},
};
use crate::{accept::Opening, telemetry::LogLimit};

/// Limit of the time from the accept of a connection to the end of its TLS handshake and of the client's
/// HTTP/2 preface.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How long the calls of a connection may go on after its [`ConnectionAge`]. It exceeds the longest request.
pub const AGE_GRACE: Duration = Duration::from_secs(60);
/// How long a shutdown waits for a preface, which may be on its way.
const CLOSING_PREFACE_MAX: Duration = Duration::from_millis(250);
/// HTTP/2 `SETTINGS_MAX_CONCURRENT_STREAMS`. It exceeds [`CALLS_IN_FLIGHT_MAX`](super::CALLS_IN_FLIGHT_MAX),
/// so that the server also rejects calls of a client with one connection, which would otherwise queue them.
const STREAMS_PER_CONNECTION_MAX: u32 = 2048;
/// Limit of all headers of one call, in bytes.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// The interval of keep-alive pings, and the longest time until their acknowledgement.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The least interval of log lines at INFO about failed handshakes. Lines in between are logged at DEBUG and
/// counted.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// What the connections of one server share.
pub(super) struct ConnectionContext {
    http2: http2::Builder<TokioExecutor>,
    /// `None` for plain text.
    tls: Option<ServerTls>,
    service: ServerService<Routes>,
    age: ConnectionAge,
    /// Cancelled at shutdown: from then on connections end after their calls in flight.
    closing: CancellationToken,
    failed_handshakes: Mutex<LogLimit>,
}

impl ConnectionContext {
    pub(super) fn new(
        layer: &ServerLayer,
        routes: Routes,
        tls: Option<ServerTls>,
        age: ConnectionAge,
        closing: CancellationToken,
    ) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .max_header_list_size(HEADER_BYTES_MAX)
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        let service = layer.layer(routes.prepare());
        let failed_handshakes = Mutex::new(LogLimit::every(LOG_INTERVAL));
        Self { http2, tls, service, age, closing, failed_handshakes }
    }

    /// Serves the connection from `peer` until it ends.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, opening: Opening) {
        let deadline = Instant::now() + HANDSHAKE_MAX;
        // Without it, a small response waits for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "setting TCP_NODELAY failed");
        }
        let info = stream.connect_info();
        let Some(tls) = &self.tls else {
            return self.serve_http2(stream, info, opening, deadline).await;
        };
        let handshake = tokio::select! {
            biased;
            handshake = timeout_at(deadline, tls.accept(stream)) => handshake,
            () = self.closing.cancelled() => return,
        };
        match handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => self.serve_http2(stream, info, opening, deadline).await,
            Err(error) => self.log_failed_handshake(peer, &error),
        }
    }

    /// Serves HTTP/2 over `io`, whose client sends its preface before `deadline`.
    async fn serve_http2<IO>(&self, io: IO, info: TcpConnectInfo, opening: Opening, deadline: Instant)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (complete, preface) = oneshot::channel();
        let io = preface::inspect(io, opening, complete);
        let peer = info.remote_addr;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(info.clone());
            self.service.clone().call(request.map(Body::new))
        });
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(io), service));
        tokio::select! {
            biased;
            outcome = connection.as_mut() => return log_outcome(outcome),
            _ = preface => {}
            () = sleep_until(deadline) => {
                return tracing::debug!(?peer, "connection closed: no HTTP/2 preface in time");
            }
            () = async { self.closing.cancelled().await; sleep(CLOSING_PREFACE_MAX).await; } => return,
        }
        tokio::select! {
            biased;
            outcome = connection.as_mut() => return log_outcome(outcome),
            () = self.closing.cancelled() => {}
            () = self.aged() => {}
        }
        // GOAWAY: the client opens another connection, and the calls in flight finish.
        connection.as_mut().graceful_shutdown();
        match timeout(AGE_GRACE, connection).await {
            Ok(outcome) => log_outcome(outcome),
            Err(_) => {
                tracing::debug!(?peer, "connection closed: calls still ran {AGE_GRACE:?} after its age");
            }
        }
    }

    /// Completes at the age of a connection, which is counted from now.
    async fn aged(&self) {
        match self.age.of_connection() {
            Some(age) => sleep(age).await,
            None => pending().await,
        }
    }

    fn log_failed_handshake(&self, peer: SocketAddr, error: &io::Error) {
        let line = self.failed_handshakes.lock().unwrap_or_else(PoisonError::into_inner).next_line();
        match line {
            Some(others) => tracing::info!(%peer, %error, others, "TLS handshake failed"),
            None => tracing::debug!(%peer, %error, "TLS handshake failed"),
        }
    }
}

fn log_outcome(outcome: hyper::Result<()>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection failed");
    }
}
