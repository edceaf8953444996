//! The body of a request. The bytes of a unary request are buffered for retries.

use std::{future::poll_fn, pin::Pin, task::Poll};

use bytes::{Buf, Bytes, BytesMut};
use h2::SendStream;
use http_body::Body as _;
use tonic::{Status, body::Body};

/// Bytes of a request that are buffered for another attempt (the retry buffer of gRFC A6). A longer request
/// is sent once.
pub const RETRY_BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The prefix of each message: a compression flag and the length. Limits on messages exclude it.
pub(crate) const MESSAGE_PREFIX_BYTES: usize = 5;

/// The body of one attempt.
pub(crate) enum Payload {
    /// The complete body, as of a unary call.
    Complete(Bytes),
    /// The first bytes and the rest: a streaming call, or a body over the retry buffer.
    Stream(Bytes, Body),
}

impl Payload {
    /// Reads what `body` has ready, without waiting for more. A generated client has the message of a unary
    /// call ready at the first poll.
    pub(crate) async fn read_ready(mut body: Body) -> Result<Self, Status> {
        let mut buffer = Buffer::default();
        let complete = poll_fn(|cx| {
            while buffer.length <= RETRY_BUFFER_BYTES_MAX {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(status)),
                    // gRPC requests have no trailers.
                    Poll::Ready(Some(Ok(frame))) => frame.into_data().map_or((), |data| buffer.push(data)),
                    Poll::Pending => break,
                }
            }
            Poll::Ready(Ok(false))
        });
        let complete = complete.await?;
        let bytes = buffer.into_bytes();
        Ok(if complete { Self::Complete(bytes) } else { Self::Stream(bytes, body) })
    }
}

/// Concatenated bytes. A single piece is not copied.
#[derive(Default)]
struct Buffer {
    first: Bytes,
    all: BytesMut,
    length: usize,
}

impl Buffer {
    fn push(&mut self, data: Bytes) {
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

/// Sends a streaming body at the pace of the peer's flow control. Resets the stream if `body` fails.
pub(crate) async fn forward_body(first: Bytes, mut body: Body, mut stream: SendStream<Bytes>) {
    let mut next = Some(first);
    loop {
        if let Some(bytes) = next.take()
            && send_all(bytes, &mut stream).await.is_none()
        {
            return;
        }
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => next = frame.into_data().ok(),
            Some(Err(error)) => {
                tracing::debug!(%error, "request body failed, stream reset");
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

/// Sends `bytes` within the flow-control window; `None` if the peer has closed the stream.
async fn send_all(mut bytes: Bytes, stream: &mut SendStream<Bytes>) -> Option<()> {
    while bytes.has_remaining() {
        stream.reserve_capacity(bytes.len());
        let capacity = match stream.capacity() {
            0 => poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?,
            capacity => capacity,
        };
        stream.send_data(bytes.split_to(capacity.min(bytes.len())), false).ok()?;
    }
    Some(())
}
