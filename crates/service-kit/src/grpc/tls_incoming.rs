//! Incoming TLS connections: concurrent handshakes with a limit of their number and time.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::stream::{self, Stream};
use grpc_client::tls::ServerTls;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// The longest time of a TLS handshake.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Limit of concurrent handshakes. A further one drops the oldest: an honest client needs milliseconds, so
/// the oldest belong to silent clients.
pub const HANDSHAKES_MAX: usize = 256;
/// The least interval of log lines at INFO about failed handshakes. Lines in between are logged at DEBUG and
/// counted.
const LOG_INTERVAL: Duration = Duration::from_secs(1);
/// The pause before the next accept where the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections of `listener` after their handshake, without end. Dropping the stream closes the listener
/// and the connections in handshake, on which no request was sent.
pub(super) fn incoming(
    listener: TcpListener,
    tls: ServerTls,
) -> impl Stream<Item = Result<TlsConnection, Infallible>> + Send {
    let handshakes =
        Handshakes { running: JoinSet::new(), oldest: VecDeque::new(), log: LogLimit::default() };
    stream::unfold((listener, tls, handshakes), |(listener, tls, mut handshakes)| async move {
        let connection = loop {
            tokio::select! {
                Some(connection) = handshakes.next() => break connection,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => handshakes.start(tls.clone(), stream, peer),
                    Err(error) => pause_after(&error).await,
                },
            }
        };
        Some((Ok(connection), (listener, tls, handshakes)))
    })
}

/// Pauses after errors that the next accept would meet too; a connection that its client has reset is none.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(%error, "cannot accept a connection");
        sleep(ACCEPT_PAUSE).await;
    }
}

/// The handshakes in progress.
struct Handshakes {
    running: JoinSet<Result<TlsConnection, (SocketAddr, io::Error)>>,
    /// In the order of their start; some have finished.
    oldest: VecDeque<AbortHandle>,
    log: LogLimit,
}

impl Handshakes {
    fn start(&mut self, tls: ServerTls, stream: TcpStream, peer: SocketAddr) {
        if self.running.len() >= HANDSHAKES_MAX {
            self.drop_oldest();
        }
        let handshake = self.running.spawn(async move {
            let accepted = async {
                stream.set_nodelay(true)?;
                tls.accept(stream).await
            };
            match timeout(HANDSHAKE_MAX, accepted).await {
                Ok(Ok(stream)) => Ok(TlsConnection(stream)),
                Ok(Err(error)) => Err((peer, error)),
                Err(_) => Err((peer, io::ErrorKind::TimedOut.into())),
            }
        });
        self.oldest.push_back(handshake);
        if self.oldest.len() > 2 * HANDSHAKES_MAX {
            self.oldest.retain(|handshake| !handshake.is_finished());
        }
    }

    fn drop_oldest(&mut self) {
        while let Some(handshake) = self.oldest.pop_front() {
            if !handshake.is_finished() {
                handshake.abort();
                return;
            }
        }
    }

    /// The next finished connection; `None` where no handshake is in progress.
    async fn next(&mut self) -> Option<TlsConnection> {
        loop {
            match self.running.join_next().await? {
                Ok(Ok(connection)) => return Some(connection),
                Ok(Err((peer, error))) => self.log.failed(peer, &error),
                Err(dropped) if dropped.is_cancelled() => self.log.dropped(),
                Err(panic) => tracing::error!(%panic, "TLS handshake panicked"),
            }
        }
    }
}

/// Limits the log lines about failed handshakes.
#[derive(Default)]
struct LogLimit {
    last: Option<Instant>,
    /// Failures since the last line at INFO.
    suppressed: u64,
}

impl LogLimit {
    fn failed(&mut self, peer: SocketAddr, error: &io::Error) {
        match self.next_line() {
            Some(others) => tracing::info!(%peer, %error, others, "TLS handshake failed"),
            None => tracing::debug!(%peer, %error, "TLS handshake failed"),
        }
    }

    fn dropped(&mut self) {
        if let Some(others) = self.next_line() {
            tracing::info!(others, "TLS handshake dropped: {HANDSHAKES_MAX} are in progress");
        }
    }

    /// The number of failures since the last line, where the interval has passed.
    fn next_line(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < LOG_INTERVAL) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub(super) struct TlsConnection(TlsStream<TcpStream>);

impl Connected for TlsConnection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.0.get_ref().0.connect_info()
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
