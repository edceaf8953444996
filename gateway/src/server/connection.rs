//! One connection, from its first byte to its last.

use std::{convert::Infallible, io, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use grpc_client::tls::ServerTls;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    ServerContext,
    activity::{Activity, RequestBody, RequestGuard, ResponseBody},
    metrics::CloseReason,
    tracked_io::TrackedIo,
};
use crate::{limits, load_limits::PeerAddress};

/// Serves a connection from `peer` until it ends.
pub(super) async fn serve(stream: TcpStream, peer: IpAddr, server: Arc<ServerContext>) {
    let opened = Instant::now();
    // Without it, a small response waits for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY failed");
    }
    match &server.tls {
        None => serve_requests(stream, peer, opened, &server).await,
        Some(tls) => {
            let handshake = tokio::select! {
                biased;
                handshake = tls_handshake(tls, stream) => handshake,
                () = closing(&server, opened) => return server.count_open_at_end(),
            };
            match handshake {
                Ok(stream) => serve_requests(stream, peer, opened, &server).await,
                Err(error) => {
                    server.limiter.metrics().handshakes_failed.inc();
                    tracing::debug!(%peer, %error, "TLS handshake failed");
                }
            }
        }
    }
}

/// Completes once a shutdown closes the connection that was accepted at `opened`.
async fn closing(server: &ServerContext, opened: Instant) {
    server.closing.cancelled().await;
    // The first request of a new connection may be on its way.
    sleep_until(opened + limits::DRAIN_LINGER).await;
}

async fn tls_handshake(
    tls: &ServerTls,
    stream: TcpStream,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>> {
    timeout(limits::HANDSHAKE_MAX, tls.accept(stream))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Serves the requests of a connection that was accepted at `opened`.
async fn serve_requests<IO>(io: IO, peer: IpAddr, opened: Instant, server: &Arc<ServerContext>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new(server.keep_alive);
    let io = TrackedIo::new(io, activity.clone());
    let service = service_fn(|mut request: Request<Incoming>| {
        let guard = activity.begin_request(request.version(), !request.body().is_end_stream());
        request.extensions_mut().insert(PeerAddress(peer));
        respond(server.clone(), activity.observe(request), guard)
    });
    // hyper has no timeout for the first bytes of a connection, by which it detects the protocol.
    let no_request_within = async |limit: Duration| {
        sleep(limit).await;
        if activity.has_requests() {
            std::future::pending::<()>().await;
        }
    };
    let close = async {
        tokio::select! {
            reason = activity.limit_reached() => Some(reason),
            () = closing(server, opened) => None,
            () = no_request_within(limits::HEAD_READ_MAX) => None,
        }
    };
    // Polled only when it is woken, and not with every request.
    let mut close = FuturesUnordered::from_iter([close]);
    let mut connection = pin!(server.http.serve_connection(TokioIo::new(io), service));
    let reason = tokio::select! {
        biased;
        outcome = connection.as_mut() => return log_outcome(outcome),
        reason = close.next() => reason.flatten(),
    };
    if let Some(reason) = reason {
        server.limiter.metrics().count_close(reason);
        tracing::debug!(%peer, ?reason, "connection closed by a limit");
    }
    // A client that does not read would not read GOAWAY either.
    if matches!(reason, Some(CloseReason::Unread | CloseReason::Abandoning)) {
        return;
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        outcome = connection.as_mut() => log_outcome(outcome),
        // An incomplete head does not delay the shutdown.
        () = no_request_within(limits::DRAIN_LINGER) => server.count_open_at_end(),
        // Nor does a client that ignores the graceful shutdown.
        () = async { sleep(limits::CLOSE_LINGER).await; activity.settled().await; } => server.count_open_at_end(),
    }
}

fn log_outcome(outcome: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = outcome {
        tracing::debug!(error, "connection failed");
    }
}

async fn respond(
    server: Arc<ServerContext>,
    request: Request<RequestBody>,
    guard: RequestGuard,
) -> Result<Response<ResponseBody>, Infallible> {
    let version = request.version();
    let mut response = server.gateway.call(request).await;
    if version < Version::HTTP_2 && server.draining.is_cancelled() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(guard.track(response))
}
