//! One connection, from its first byte to its last.

use std::{convert::Infallible, io, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use super::{
    ServerContext,
    activity::{self, Activity},
    metrics::CloseReason,
};
use crate::{limits, load_limits::PeerAddress};
use futures_util::{StreamExt, stream::FuturesUnordered};
use grpc_client::tls::ServerTls;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};

/// Serves a connection from `peer` until it ends.
pub(super) async fn serve(stream: TcpStream, peer: IpAddr, server: Arc<ServerContext>) {
    let opened = Instant::now();
    // Without it small answers wait for the client's acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection has no TCP_NODELAY");
    }
    match &server.tls {
        None => requests(stream, peer, opened, &server).await,
        Some(tls) => match tls_handshake(tls, stream).await {
            Ok(stream) => requests(stream, peer, opened, &server).await,
            Err(error) => {
                server.limiter.metrics().handshakes_failed.inc();
                tracing::debug!(%peer, %error, "TLS handshake failed");
            }
        },
    }
}

async fn tls_handshake(
    tls: &ServerTls,
    stream: TcpStream,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>> {
    timeout(limits::HANDSHAKE_MAX, tls.accept(stream))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Serves the requests of a connection that was opened at `opened`.
async fn requests<IO>(io: IO, peer: IpAddr, opened: Instant, server: &Arc<ServerContext>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::begin();
    let service = service_fn(|mut request: Request<Incoming>| {
        let begun = activity.request();
        request.extensions_mut().insert(PeerAddress(peer));
        answer(server.clone(), request, begun)
    });
    // The library waits for ever for the bytes by which it tells the protocols apart.
    let silent = async |limit: Duration| {
        sleep(limit).await;
        if activity.is_used() {
            std::future::pending::<()>().await;
        }
    };
    let closing = async {
        server.closing.cancelled().await;
        // The first request of one that was just opened is on its way.
        sleep_until(opened + limits::DRAIN_LINGER).await;
    };
    let cut = async {
        tokio::select! {
            why = activity.ended() => Some(why),
            () = closing => None,
            () = silent(limits::HEAD_READ_MAX) => None,
        }
    };
    // Looked at when something of it happens, and not at every request.
    let mut cut = FuturesUnordered::from_iter([cut]);
    let mut connection = pin!(server.http.serve_connection(TokioIo::new(io), service));
    let cut = tokio::select! {
        biased;
        ended = connection.as_mut() => return told(ended),
        cut = cut.next() => cut.flatten(),
    };
    if let Some(why) = cut {
        server.limiter.metrics().close(why);
        tracing::debug!(%peer, ?why, "a connection is closed");
    }
    // Whoever does not read would not read that the connection closes.
    if matches!(cut, Some(CloseReason::Unread | CloseReason::Abandoning)) {
        return;
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        ended = connection.as_mut() => told(ended),
        // Half a head is no request yet.
        () = silent(limits::DRAIN_LINGER) => {}
        // Nor is whoever does not take its leave waited for.
        () = async { sleep(limits::DRAIN_LINGER).await; activity.ended().await; } => {}
    }
}

fn told(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

async fn answer(
    server: Arc<ServerContext>,
    request: Request<Incoming>,
    begun: activity::Request,
) -> Result<Response<activity::Watched>, Infallible> {
    let version = request.version();
    let mut response = server.gateway.call(request).await;
    if version < Version::HTTP_2 && server.draining.is_cancelled() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(begun.answer(response))
}
