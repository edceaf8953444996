//! Connections that are made secure before they are served: handshakes side by side, each bounded, and only so many.

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

/// How long a client may take to make its connection secure.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Handshakes that are under way at once. One more, and the oldest of them is dropped: who is honest is done in
/// milliseconds, so that the oldest are those who say nothing.
pub const HANDSHAKES_MAX: usize = 256;
/// How often a refused client is told of at info; those between are counted, and told of at debug.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait before accepting again where the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections of `listener` that `tls` has let in, for ever. Dropping it closes the listener, and whatever is
/// not secure yet: nothing was asked there.
pub(super) fn incoming(
    listener: TcpListener,
    tls: ServerTls,
) -> impl Stream<Item = Result<TlsConnection, Infallible>> + Send {
    let handshakes = Handshakes { running: JoinSet::new(), oldest: VecDeque::new(), told: Told::default() };
    stream::unfold((listener, tls, handshakes), |(listener, tls, mut handshakes)| async move {
        let secured = loop {
            tokio::select! {
                Some(secured) = handshakes.next() => break secured,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => handshakes.start(tls.clone(), stream, peer),
                    Err(error) => pause_after(&error).await,
                },
            }
        };
        Some((Ok(secured), (listener, tls, handshakes)))
    })
}

/// A connection that its client gave up costs nothing; for any other reason the next one fails as fast.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(%error, "a connection cannot be accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}

/// The handshakes that are under way.
struct Handshakes {
    running: JoinSet<Result<TlsConnection, (SocketAddr, io::Error)>>,
    /// In the order in which they started; some have ended.
    oldest: VecDeque<AbortHandle>,
    told: Told,
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

    /// The next connection that is secure; `None` where no handshake is under way.
    async fn next(&mut self) -> Option<TlsConnection> {
        loop {
            match self.running.join_next().await? {
                Ok(Ok(secured)) => return Some(secured),
                Ok(Err((peer, error))) => self.told.refused(peer, &error),
                Err(dropped) if dropped.is_cancelled() => self.told.dropped(),
                Err(panic) => tracing::error!(%panic, "a handshake panicked"),
            }
        }
    }
}

/// What the log was told of clients that did not get in.
#[derive(Default)]
struct Told {
    last: Option<Instant>,
    since: u64,
}

impl Told {
    fn refused(&mut self, peer: SocketAddr, error: &io::Error) {
        match self.turn() {
            Some(others) => tracing::info!(%peer, %error, others, "a connection could not be made secure"),
            None => tracing::debug!(%peer, %error, "a connection could not be made secure"),
        }
    }

    fn dropped(&mut self) {
        if let Some(others) = self.turn() {
            tracing::info!(others, "a connection was dropped: more than {HANDSHAKES_MAX} are not secure yet");
        }
    }

    /// How many were not told of since the last that was, if it is time for the next.
    fn turn(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < TELL_INTERVAL) {
            self.since += 1;
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.since))
    }
}

/// A connection that is secure.
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
