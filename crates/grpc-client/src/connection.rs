//! One HTTP/2 connection: dialled, confirmed by the peer's first bytes, and driven until it ends.
//!
//! The channel uses the h2 library directly: h2's own errors show what the failure of a call proves, and a
//! layer between would cost a task and two queues per call.

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
/// The shortest time between the starts of two attempts to connect to one address, after the first one
/// failed. Calls in between fail at once with its error, as calls that never ran (gRPC connection backoff).
/// Much shorter than the 1 s of that document, so that a restarted server is found at once.
pub const RECONNECT_INTERVAL: Duration = Duration::from_millis(50);
/// Keep-alive (gRFC A8): how long a connection with open streams may receive nothing before a ping is sent.
/// grpc-go servers close connections that send pings more often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long the peer may take to respond to a ping.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the headers or trailers of one response, which include a status with all of its details. The h2
/// library rejects a response with more, and closes the connection at a quarter more.
const RESPONSE_HEADER_BYTES_MAX: u32 = 1024 * 1024;
/// HTTP/2 flow-control window of a stream: one page of results.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// HTTP/2 flow-control window of a connection: several pages at once.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Dials one address.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) target: DialTarget,
    pub(crate) authority: Authority,
    /// The name that the peer's certificate must be valid for.
    pub(crate) server_name: String,
    pub(crate) tls: Option<ClientTls>,
}

/// The address that TCP connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DialTarget {
    /// A host name or IP address and a port, resolved at each attempt to connect.
    Host(String, u16),
    Address(SocketAddr),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the peer does not speak HTTP/2: {0}")]
    Http2(#[from] h2::Error),
    #[error("the peer closed the connection before its first byte")]
    Closed,
    #[error("no connection within {CONNECT_TIMEOUT:?}")]
    TimedOut,
}

/// A connection on which the peer has sent its first bytes. Clones share it. It closes when the last clone
/// and the last call on it are gone.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) send: SendRequest<Bytes>,
    state: Arc<ConnectionState>,
}

impl Connection {
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Whether `permit` belongs to a stream of this connection.
    pub(crate) fn issued(&self, permit: &StreamPermit) -> bool {
        Arc::ptr_eq(&self.state, &permit.0)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.ended.load(Ordering::Acquire)
    }

    /// For how long nothing was received while streams are open; `None` without open streams.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        let is_busy = self.state.open_streams.load(Ordering::Relaxed) > 0;
        is_busy.then(|| self.state.last_activity().elapsed())
    }

    /// Waits until the peer's limit on concurrent streams allows another call. `None` if the connection ends
    /// first: such a call was provably never sent, which cannot be proved for a call queued in the h2
    /// library.
    pub(crate) async fn acquire_stream(&self) -> Option<StreamPermit> {
        loop {
            let permit_released = self.state.permit_released.notified();
            if self.has_ended() {
                return None;
            }
            let one_more = |open: usize| (open < self.send.current_max_send_streams()).then_some(open + 1);
            match self.state.open_streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
                Ok(0) => {
                    self.state.busy_since_ms.store(self.state.elapsed_ms(), Ordering::Relaxed);
                    return Some(StreamPermit(self.state.clone()));
                }
                Ok(_) => return Some(StreamPermit(self.state.clone())),
                Err(_) => permit_released.await,
            }
        }
    }
}

impl Dialer {
    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// Connects, and waits for the peer's first bytes: a call is then sent to a peer that is alive.
    pub(crate) async fn connect(&self) -> Result<Connection, ConnectError> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.connect_unbounded())
            .await
            .map_err(|_| ConnectError::TimedOut)?
    }

    async fn connect_unbounded(&self) -> Result<Connection, ConnectError> {
        let tcp = match &self.target {
            DialTarget::Host(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
            DialTarget::Address(address) => TcpStream::connect(address).await?,
        };
        tcp.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => start_http2(tls.connect(&self.server_name, tcp).await?).await,
            None => start_http2(tcp).await,
        }
    }
}

async fn start_http2<IO>(io: IO) -> Result<Connection, ConnectError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = Arc::new(ConnectionState::default());
    let io = ReadMonitor { io, state: state.clone() };
    let (send, mut http2) = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(RESPONSE_HEADER_BYTES_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake::<_, Bytes>(io)
        .await?;
    // An HTTP/2 server sends its SETTINGS first (RFC 9113 §3.4).
    let first_bytes = state.first_bytes.notified();
    tokio::select! {
        biased;
        () = first_bytes => {}
        ended = &mut http2 => return Err(ended.err().map_or(ConnectError::Closed, ConnectError::Http2)),
    }
    let ping = http2.ping_pong();
    let driver = Driver { http2, ping, state: state.clone() };
    tokio::spawn(driver.drive());
    Ok(Connection { send, state })
}

/// What the calls of a connection and its driver share. Times are milliseconds since `started`.
#[derive(Debug)]
struct ConnectionState {
    started: Instant,
    /// The latest read; 0 before the first.
    last_read_ms: AtomicU64,
    first_bytes: Notify,
    /// Notified when a stream ends, or the connection.
    permit_released: Notify,
    open_streams: AtomicUsize,
    /// When the number of open streams last rose from 0.
    busy_since_ms: AtomicU64,
    ended: AtomicBool,
}

impl Default for ConnectionState {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            last_read_ms: AtomicU64::new(0),
            first_bytes: Notify::new(),
            permit_released: Notify::new(),
            open_streams: AtomicUsize::new(0),
            busy_since_ms: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        }
    }
}

impl ConnectionState {
    fn record_read(&self) {
        if self.last_read_ms.swap(self.elapsed_ms().max(1), Ordering::Relaxed) == 0 {
            self.first_bytes.notify_one();
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The latest read, or the start of the oldest open stream's wait, whichever is later.
    fn last_activity(&self) -> Instant {
        let last_read_ms = self.last_read_ms.load(Ordering::Relaxed);
        self.started + Duration::from_millis(last_read_ms.max(self.busy_since_ms.load(Ordering::Relaxed)))
    }
}

/// Counts one open stream until it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPermit(Arc<ConnectionState>);

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::Relaxed);
        self.0.permit_released.notify_one();
    }
}

/// The task that reads and writes for all calls of a connection.
struct Driver<IO> {
    http2: h2::client::Connection<ReadMonitor<IO>, Bytes>,
    ping: Option<h2::PingPong>,
    state: Arc<ConnectionState>,
}

impl<IO> Driver<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    /// Runs until the connection ends, or the keep-alive times out. Then the connection is dropped, and its
    /// calls fail.
    async fn drive(mut self) {
        let mut check_at = Instant::now() + KEEPALIVE_INTERVAL;
        let mut ping_sent = false;
        loop {
            tokio::select! {
                biased;
                ended = &mut self.http2 => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection closed with an error");
                    }
                    break;
                }
                () = tokio::time::sleep_until(check_at) => {}
            }
            let is_idle = self.state.open_streams.load(Ordering::Relaxed) == 0;
            let last_activity = self.state.last_activity();
            if is_idle || last_activity.elapsed() < KEEPALIVE_INTERVAL {
                ping_sent = false;
                check_at = if is_idle { Instant::now() } else { last_activity } + KEEPALIVE_INTERVAL;
            } else if ping_sent {
                tracing::debug!("keep-alive timed out, connection closed");
                break;
            } else {
                ping_sent = true;
                self.send_ping();
                check_at = Instant::now() + KEEPALIVE_TIMEOUT;
            }
        }
        self.state.ended.store(true, Ordering::Release);
        self.state.permit_released.notify_waiters();
    }

    /// Any bytes received count as a response; the PONG itself is only taken because h2 allows one ping at a
    /// time.
    fn send_ping(&mut self) {
        let Some(ping) = &mut self.ping else { return };
        let _ = ping.poll_pong(&mut Context::from_waker(std::task::Waker::noop()));
        let _ = ping.send_ping(h2::Ping::opaque());
    }
}

/// Records the time of each read.
struct ReadMonitor<IO> {
    io: IO,
    state: Arc<ConnectionState>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for ReadMonitor<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.state.record_read();
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for ReadMonitor<IO> {
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
