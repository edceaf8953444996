//! The beginning of an HTTP/2 connection: the client's preface and its SETTINGS (RFC 9113 §3.4).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use crate::accept::Opening;

/// Bytes of the fixed preface, `PRI * HTTP/2.0` to its last line break.
const FIXED_BYTES: usize = 24;
/// Bytes of the head of a frame; the first three are the length of its payload (RFC 9113 §4.1).
const FRAME_HEAD_BYTES: usize = 9;
const HEAD_BYTES: usize = FIXED_BYTES + FRAME_HEAD_BYTES;

/// A connection that reports the end of the client's preface and SETTINGS.
pub(super) struct AwaitingPreface<IO> {
    io: IO,
    /// `None` after the end.
    preface: Option<Preface>,
}

/// A preface that has not arrived as a whole.
struct Preface {
    /// The fixed preface and the head of SETTINGS, as far as received.
    head: Vec<u8>,
    received: usize,
    complete: oneshot::Sender<()>,
    _opening: Opening,
}

impl<IO> AwaitingPreface<IO> {
    /// The receiver completes with the preface; then `opening` is dropped.
    pub(super) fn new(io: IO, opening: Opening) -> (Self, oneshot::Receiver<()>) {
        let (complete, completed) = oneshot::channel();
        let head = Vec::with_capacity(HEAD_BYTES);
        (Self { io, preface: Some(Preface { head, received: 0, complete, _opening: opening }) }, completed)
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.preface.as_mut().is_some_and(|preface| preface.is_complete_with(bytes))
            && let Some(Preface { complete, .. }) = self.preface.take()
        {
            // A connection that is closing no longer waits for its preface.
            let _ = complete.send(());
        }
    }
}

impl Preface {
    /// Counts `bytes`. HTTP/2 itself rejects those that are no preface.
    fn is_complete_with(&mut self, bytes: &[u8]) -> bool {
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend(bytes.iter().take(missing));
        self.received += bytes.len();
        let Some([high, middle, low, ..]) = self.head.get(FIXED_BYTES..HEAD_BYTES) else { return false };
        let settings_bytes = u32::from_be_bytes([0, *high, *middle, *low]);
        usize::try_from(settings_bytes).is_ok_and(|bytes| self.received - HEAD_BYTES >= bytes)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for AwaitingPreface<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.receive(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for AwaitingPreface<IO> {
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
