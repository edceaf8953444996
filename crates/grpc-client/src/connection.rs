//! One HTTP/2 connection: dialled, found to be answered, and driven until it ends.
//!
//! The HTTP/2 library is used by itself: what a call's failure proves is told from the library's own errors, and a
//! layer between would cost a task and two queues for each call.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::client::SendRequest;
use http::uri::{Authority, Scheme};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
    time::Instant,
};

use crate::tls::ClientTls;

/// How long connecting may take: name resolution, TCP, TLS, and the first bytes of the peer's HTTP/2.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection with calls in flight may bring nothing before its peer is asked whether it is there, and how
/// long that may take. Shorter would offend servers: grpc-go closes connections that ask too often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of one answer's headers or trailers, where a status stands with all of its details. The HTTP/2
/// library refuses an answer with more, and where it is a quarter more the connection too.
const RESPONSE_HEADER_BYTES_MAX: u32 = 1024 * 1024;
/// HTTP/2 flow-control windows: a page of results fits a stream's, many of them the connection's.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// How a place is dialled.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) whereto: Whereto,
    pub(crate) authority: Authority,
    /// The host as TLS is to find it in the peer's certificate.
    pub(crate) server_name: String,
    pub(crate) tls: Option<ClientTls>,
}

/// What TCP connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whereto {
    /// A name or address, resolved whenever it is dialled.
    Host(String, u16),
    /// What was resolved before.
    Address(SocketAddr),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the peer does not speak HTTP/2: {0}")]
    Http2(#[from] h2::Error),
    #[error("the peer closed the connection before it had said anything")]
    Closed,
    #[error("no connection within {CONNECT_TIMEOUT:?}")]
    TimedOut,
}

/// A connection that its peer has answered on. Clones share it; it is closed when the last one and the last call on it
/// are gone.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) send: SendRequest<Bytes>,
    signs: Arc<Signs>,
}

impl Connection {
    /// Whether both are the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.signs, &other.signs)
    }

    /// Whether `call` waits on this connection.
    pub(crate) fn carries(&self, call: &Waiting) -> bool {
        Arc::ptr_eq(&self.signs, &call.0)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.signs.ended.load(Ordering::Acquire)
    }

    /// For how long nothing has come while calls wait for it; `None` where none does.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        let waits = self.signs.waiting.load(Ordering::Relaxed) > 0;
        waits.then(|| self.signs.last_heard().elapsed())
    }

    /// Waits until the peer takes another call, and counts it as one that waits for bytes of this connection. `None` where
    /// the connection ended before that: such a call was never sent, which could not be told of one that the HTTP/2 library
    /// has queued.
    pub(crate) async fn take_up(&self) -> Option<Waiting> {
        loop {
            let freed = self.signs.freed.notified();
            if self.has_ended() {
                return None;
            }
            let room = |calls: usize| (calls < self.send.current_max_send_streams()).then_some(calls + 1);
            match self.signs.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
                Ok(0) => {
                    self.signs.waiting_since_ms.store(self.signs.ms(), Ordering::Relaxed);
                    return Some(Waiting(self.signs.clone()));
                }
                Ok(_) => return Some(Waiting(self.signs.clone())),
                Err(_) => freed.await,
            }
        }
    }
}

impl Dial {
    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// A connection on which the peer has said something, so that a call sent on it meets a peer that is there.
    pub(crate) async fn connect(&self) -> Result<Connection, ConnectError> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.connect_unbounded())
            .await
            .map_err(|_| ConnectError::TimedOut)?
    }

    async fn connect_unbounded(&self) -> Result<Connection, ConnectError> {
        let tcp = match &self.whereto {
            Whereto::Host(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
            Whereto::Address(address) => TcpStream::connect(address).await?,
        };
        tcp.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => start(tls.connect(&self.server_name, tcp).await?).await,
            None => start(tcp).await,
        }
    }
}

async fn start<IO>(io: IO) -> Result<Connection, ConnectError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let signs = Arc::new(Signs::default());
    let io = Watched { io, signs: signs.clone() };
    let (send, mut http2) = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(RESPONSE_HEADER_BYTES_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake::<_, Bytes>(io)
        .await?;
    // The first that an HTTP/2 server says are its settings (RFC 9113, section 3.4).
    let heard = signs.heard.notified();
    tokio::select! {
        biased;
        () = heard => {}
        ended = &mut http2 => return Err(ended.err().map_or(ConnectError::Closed, ConnectError::Http2)),
    }
    let ping = http2.ping_pong();
    let driver = Driver { http2, ping, signs: signs.clone() };
    tokio::spawn(driver.drive());
    Ok(Connection { send, signs })
}

/// What a connection shows of itself.
#[derive(Debug)]
struct Signs {
    started: Instant,
    /// When bytes were last read, in milliseconds since `started`.
    read_ms: AtomicU64,
    heard: Notify,
    /// A call has ended, or the connection has.
    freed: Notify,
    waiting: AtomicUsize,
    /// Since when any call waits, likewise.
    waiting_since_ms: AtomicU64,
    ended: AtomicBool,
}

impl Default for Signs {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            read_ms: AtomicU64::new(0),
            heard: Notify::new(),
            freed: Notify::new(),
            waiting: AtomicUsize::new(0),
            waiting_since_ms: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        }
    }
}

impl Signs {
    fn note_read(&self) {
        if self.read_ms.swap(self.ms().max(1), Ordering::Relaxed) == 0 {
            self.heard.notify_one();
        }
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// When bytes were last read, or a call began to wait for some, whichever was later.
    fn last_heard(&self) -> Instant {
        let read = self.read_ms.load(Ordering::Relaxed);
        self.started + Duration::from_millis(read.max(self.waiting_since_ms.load(Ordering::Relaxed)))
    }
}

/// A call that waits for bytes.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Signs>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.freed.notify_one();
    }
}

/// The task that reads and writes for all calls of a connection.
struct Driver<IO> {
    http2: h2::client::Connection<Watched<IO>, Bytes>,
    ping: Option<h2::PingPong>,
    signs: Arc<Signs>,
}

impl<IO> Driver<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    /// Ends when the connection does, or when its peer is silent for too long while calls wait for it. They fail then,
    /// since the connection is dropped.
    async fn drive(mut self) {
        let mut quiet_until = Instant::now() + KEEPALIVE_INTERVAL;
        let mut asked = false;
        loop {
            tokio::select! {
                biased;
                ended = &mut self.http2 => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection has ended");
                    }
                    break;
                }
                () = tokio::time::sleep_until(quiet_until) => {}
            }
            let idle = self.signs.waiting.load(Ordering::Relaxed) == 0;
            let silent = self.signs.last_heard().elapsed();
            if idle || silent < KEEPALIVE_INTERVAL {
                asked = false;
                let since = if idle { Instant::now() } else { self.signs.last_heard() };
                quiet_until = since + KEEPALIVE_INTERVAL;
            } else if asked {
                tracing::debug!("a peer answers no pings");
                break;
            } else {
                asked = true;
                self.ask();
                quiet_until = Instant::now() + KEEPALIVE_TIMEOUT;
            }
        }
        self.signs.ended.store(true, Ordering::Release);
        self.signs.freed.notify_waiters();
    }

    fn ask(&mut self) {
        let Some(ping) = &mut self.ping else { return };
        // The answer to an earlier one is taken, if it is there: only then can another be sent. Any byte that comes is a sign of life.
        let _ = ping.poll_pong(&mut Context::from_waker(std::task::Waker::noop()));
        let _ = ping.send_ping(h2::Ping::opaque());
    }
}

/// Notes when something was read.
struct Watched<IO> {
    io: IO,
    signs: Arc<Signs>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.signs.note_read();
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
