//! The byte stream of a connection: records when bytes arrive, and holds back its end while a response is due.
//!
//! An HTTP/1 client may close its half of the connection after a request and still read the response (RFC
//! 9112, section 9.6). A client that has disconnected looks the same until the server writes to it. hyper
//! either cancels the request of both, or of neither; here the request of both continues for a while.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::activity::Activity;
use crate::limits::HALF_CLOSED_MAX;

/// A byte stream whose reads are recorded in an [`Activity`], which thus knows when a request's head begins.
pub(super) struct TrackedIo<IO> {
    io: IO,
    activity: Activity,
    /// Runs once the stream has ended while a response was due.
    half_closed: Option<Pin<Box<Sleep>>>,
}

impl<IO> TrackedIo<IO> {
    pub(super) fn new(io: IO, activity: Activity) -> Self {
        Self { io, activity, half_closed: None }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for TrackedIo<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, activity, half_closed } = &mut *self;
        if half_closed.is_none() {
            let filled = buffer.filled().len();
            ready!(Pin::new(io).poll_read(cx, buffer))?;
            if buffer.filled().len() > filled {
                activity.record_read();
                return Poll::Ready(Ok(()));
            }
        }
        if !activity.owes_response() {
            return Poll::Ready(Ok(()));
        }
        half_closed.get_or_insert_with(|| Box::pin(sleep(HALF_CLOSED_MAX))).as_mut().poll(cx).map(Ok)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for TrackedIo<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
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
