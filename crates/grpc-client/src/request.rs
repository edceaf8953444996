//! A call's request: the bytes of a unary one are kept, so that they can be sent again.

use std::{future::poll_fn, pin::Pin, task::Poll};

use bytes::{Buf, Bytes, BytesMut};
use h2::SendStream;
use http_body::Body as _;
use tonic::{Status, body::Body};

/// Bytes of a request that are kept for another attempt; of a longer one there is only one attempt.
pub const REQUEST_BYTES_KEPT_MAX: usize = 4 * 1024 * 1024;

/// What stands before each message: whether it is compressed, and its length. Limits on messages do not count it.
pub(crate) const PREFIX_BYTES: usize = 5;

/// What is sent after the head.
pub(crate) enum Payload {
    /// All there is, known before it is sent: a unary call, or one like it.
    Whole(Bytes),
    /// The bytes of its beginning, and what comes after: a client's stream, or more than is kept.
    Stream(Bytes, Body),
}

impl Payload {
    /// Takes what `body` has ready, without waiting for more: a generated client has the one message of a unary call
    /// ready as soon as it is asked for it.
    pub(crate) async fn take(mut body: Body) -> Result<Self, Status> {
        let mut kept = Kept::default();
        let complete = poll_fn(|cx| {
            while kept.length <= REQUEST_BYTES_KEPT_MAX {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(status)),
                    // gRPC requests have no trailers.
                    Poll::Ready(Some(Ok(frame))) => frame.into_data().map_or((), |data| kept.add(data)),
                    Poll::Pending => break,
                }
            }
            Poll::Ready(Ok(false))
        });
        let complete = complete.await?;
        let bytes = kept.into_bytes();
        Ok(if complete { Self::Whole(bytes) } else { Self::Stream(bytes, body) })
    }
}

/// Bytes put together, without copying them where they came in one piece.
#[derive(Default)]
struct Kept {
    first: Bytes,
    all: BytesMut,
    length: usize,
}

impl Kept {
    fn add(&mut self, data: Bytes) {
        self.length += data.remaining();
        if self.first.is_empty() && self.all.is_empty() {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&data);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// Sends a stream as fast as the peer takes it. A stream that breaks off resets the call.
pub(crate) async fn pump(first: Bytes, mut body: Body, mut stream: SendStream<Bytes>) {
    let mut next = Some(first);
    loop {
        if let Some(bytes) = next.take()
            && send(bytes, &mut stream).await.is_none()
        {
            return;
        }
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => next = frame.into_data().ok(),
            Some(Err(error)) => {
                tracing::debug!(%error, "a request broke off");
                return stream.send_reset(h2::Reason::CANCEL);
            }
            None => {
                // An error means that the stream has ended already.
                let _ = stream.send_data(Bytes::new(), true);
                return;
            }
        }
    }
}

/// `None` where the peer takes no more.
async fn send(mut bytes: Bytes, stream: &mut SendStream<Bytes>) -> Option<()> {
    while bytes.has_remaining() {
        stream.reserve_capacity(bytes.len());
        let room = match stream.capacity() {
            0 => poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?,
            room => room,
        };
        stream.send_data(bytes.split_to(room.min(bytes.len())), false).ok()?;
    }
    Some(())
}
