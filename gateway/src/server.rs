//! The public listener: HTTP/1.1 and HTTP/2 without TLS (h2c by prior knowledge), told apart by what a
//! client sends first.

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, response::Response};
use chassis::{
    CancellationToken,
    admin::{ACCEPTING, Readiness},
};
use http::{HeaderValue, Request, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tower::Service;

use crate::limits;

/// How long to wait before accepting again where the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection is served with.
#[derive(Clone)]
struct Served {
    http: Builder<TokioExecutor>,
    router: Router,
    /// Cancelled by a stop: answers say `Connection: close` from then on.
    draining: CancellationToken,
    /// Cancelled when connections are to close after what is in flight on them.
    closing: CancellationToken,
}

/// Serves `router` until `shutdown` is cancelled and every request that was accepted is answered. How long
/// that may take is for the caller to bound: dropping the future closes what is still open.
///
/// A stop has two steps. For [`limits::DRAIN_LINGER`] all goes on, and answers tell HTTP/1.1 clients that
/// their connection closes: one that keeps a connection open may send its next request at any moment, and
/// closing in that moment would cut it. Then the listener closes, once everyone who had connected is let in;
/// idle connections close too, new ones when they had as long, and the others after their last answer.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    readiness: &Readiness,
    shutdown: &CancellationToken,
) {
    let served =
        Served { http: http(), router, draining: shutdown.clone(), closing: CancellationToken::new() };
    let mut open = JoinSet::new();
    readiness.set(ACCEPTING, true);
    tokio::select! {
        () = accept(&listener, &served, &mut open) => {}
        () = shutdown.cancelled() => readiness.set(ACCEPTING, false),
    }
    if !open.is_empty() {
        tokio::select! {
            () = accept(&listener, &served, &mut open) => {}
            () = sleep(limits::DRAIN_LINGER) => {}
        }
    }
    served.closing.cancel();
    accept_rest(listener, &served, &mut open);
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
        .max_header_list_size(limits::HEAD_BYTES_MAX)
        .keep_alive_interval(limits::KEEPALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEPALIVE_TIMEOUT);
    builder
}

/// Accepts connections for ever, as long as no more than [`limits::CONNECTIONS_MAX`] are open.
async fn accept(listener: &TcpListener, served: &Served, open: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < limits::CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => drop(open.spawn(connection(stream, served.clone()))),
                Err(error) => pause_after(&error).await,
            }
        }
    }
}

/// Accepts whoever has connected by now, and closes the listener: for those clients the connection stands, and
/// a request may be on its way.
fn accept_rest(listener: TcpListener, served: &Served, open: &mut JoinSet<()>) {
    // The runtime may not have been told of all of them yet, so the system itself is asked.
    let Ok(listener) = listener.into_std() else { return };
    while open.len() < limits::CONNECTIONS_MAX
        && let Ok((stream, _)) = listener.accept()
    {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            open.spawn(connection(stream, served.clone()));
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

async fn connection(stream: TcpStream, served: Served) {
    // Without it small answers wait for the client's acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection has no TCP_NODELAY");
    }
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        answer(served.router.clone(), served.draining.clone(), request)
    });
    // The library waits for ever for the bytes by which it tells the protocols apart.
    let silent = async |limit: Duration| {
        sleep(limit).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let opened = Instant::now();
    let closing = async {
        served.closing.cancelled().await;
        // The first request of one that was just opened is on its way.
        sleep_until(opened + limits::DRAIN_LINGER).await;
    };
    let mut connection = pin!(served.http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = async { tokio::select! { () = closing => {}, () = silent(limits::HEAD_READ_MAX) => {} } } => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                // Half a head is no request yet.
                () = silent(limits::DRAIN_LINGER) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

async fn answer(
    mut router: Router,
    draining: CancellationToken,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let version = request.version();
    let mut response = router.call(request).await?;
    if version < Version::HTTP_2 && draining.is_cancelled() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
