//! The open connections of a server: counted, and closed together where a shutdown waits for nothing else.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// The open connections of one server. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections {
    shared: Arc<Shared>,
    /// Wakes the tasks of connections that wait for their peers.
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicUsize,
    is_closing: AtomicBool,
}

impl Connections {
    /// Counts `io` until it is dropped.
    pub(super) fn track<IO>(&self, io: IO) -> Tracked<IO> {
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        let closing = Box::pin(self.closing.clone().cancelled_owned());
        Tracked { io, closing, guard: OpenGuard(self.shared.clone()) }
    }

    /// The number of open connections.
    pub(super) fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Closes all of them without waiting for their peers: every further read and write fails.
    pub(super) fn close(&self) {
        self.shared.is_closing.store(true, Ordering::Release);
        self.closing.cancel();
    }
}

#[derive(Debug)]
struct OpenGuard(Arc<Shared>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that [`Connections::close`] closes.
#[derive(Debug)]
pub(super) struct Tracked<IO> {
    io: IO,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    guard: OpenGuard,
}

impl<IO: Unpin> Tracked<IO> {
    /// Runs `poll`, which fails once the connection is to be closed.
    fn unless_closing<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut IO>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let aborted = || Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        if self.guard.0.is_closing.load(Ordering::Acquire) {
            return aborted();
        }
        let polled = poll(Pin::new(&mut self.io), cx);
        if polled.is_pending() && self.closing.as_mut().poll(cx).is_ready() { aborted() } else { polled }
    }
}

impl<IO: Connected> Connected for Tracked<IO> {
    type ConnectInfo = IO::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Tracked<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.unless_closing(cx, |io, cx| io.poll_read(cx, buf))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Tracked<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.unless_closing(cx, |io, cx| io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unless_closing(cx, |io, cx| io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_closing(cx, |io, cx| io.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_closing(cx, |io, cx| io.poll_shutdown(cx))
    }
}
