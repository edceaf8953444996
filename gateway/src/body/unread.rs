//! The part of a request's body that its handler did not read.
//!
//! A server that responds and closes while a client is still sending makes the client lose the response: its
//! data arrive at a closed socket, and the reset that follows overtakes the response. The rest of the body is
//! therefore discarded before the response is sent, within bounds; beyond them the connection closes after
//! the response.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Version, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::limits::{DISCARD_BYTES_MAX, DISCARD_MAX};

/// Discards what the handler of one request leaves of its body.
pub(crate) struct UnreadBody {
    slot: Slot,
    sender: Sender,
}

/// The properties of a request that decide whether its body is drained.
#[derive(Debug, Clone, Copy)]
struct Sender {
    version: Version,
    /// The client may wait for `100 Continue` before it sends the body (RFC 9110, section 10.1.1).
    expects_continue: bool,
}

/// Receives a body that is dropped before its end.
type Slot = Arc<Mutex<Option<Unread>>>;

struct Unread {
    body: Body,
    /// Whether the handler has polled it.
    started: bool,
}

impl UnreadBody {
    /// Wraps the body of `request` in a [`TrackedBody`]. `None` for a request without a body.
    pub(crate) fn track(request: &mut Request<Body>) -> Option<Self> {
        if request.body().is_end_stream() {
            return None;
        }
        let slot = Slot::default();
        let body = std::mem::take(request.body_mut());
        let unread = Some(Unread { body, started: false });
        *request.body_mut() = Body::new(TrackedBody { unread, slot: slot.clone() });
        Some(Self { slot, sender: Sender::of(request) })
    }

    /// Discards the unread part, within bounds. Beyond them, the response closes an HTTP/1 connection.
    pub(crate) async fn finish(self, response: &mut Response) {
        let unread = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Unread { body, started }) = unread {
            self.sender.finish(body, started, response).await;
        }
    }
}

/// The same for a request whose response was made from its `head` alone.
pub(crate) async fn finish<B: DrainBody>(head: &Request<()>, body: B, response: &mut Response) {
    if !body.is_end_stream() {
        Sender::of(head).finish(body, false, response).await;
    }
}

/// A body that can be drained.
pub(crate) trait DrainBody: HttpBody<Data = Bytes> + Unpin {}

impl<B: HttpBody<Data = Bytes> + Unpin> DrainBody for B {}

impl Sender {
    fn of<B>(request: &Request<B>) -> Self {
        Self { version: request.version(), expects_continue: request.headers().contains_key(header::EXPECT) }
    }

    async fn finish(self, body: impl DrainBody, started: bool, response: &mut Response) {
        // A client that waits for 100 Continue need not be sending, and a body that timed out is not awaited
        // again.
        let drains = (started || !self.expects_continue) && response.status() != StatusCode::REQUEST_TIMEOUT;
        let complete = drains && discard(body).await;
        let keep_alive = complete && response.status() != StatusCode::PAYLOAD_TOO_LARGE;
        if !keep_alive && self.version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Reads the body to its end; `false` where it exceeds [`DISCARD_BYTES_MAX`] or [`DISCARD_MAX`], or breaks
/// off.
async fn discard(mut body: impl DrainBody) -> bool {
    let to_end = async {
        let mut bytes_left = DISCARD_BYTES_MAX;
        while let Some(frame) = body.frame().await {
            let bytes = frame.ok()?.into_data().map_or(0, |data| data.len());
            bytes_left = bytes_left.checked_sub(bytes)?;
        }
        Some(())
    };
    matches!(timeout(DISCARD_MAX, to_end).await, Ok(Some(())))
}

/// A body that moves into the slot when it is dropped before its end.
struct TrackedBody {
    /// `None` after its end.
    unread: Option<Unread>,
    slot: Slot,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(unread) = &mut self.unread else { return Poll::Ready(None) };
        unread.started = true;
        let frame = ready!(Pin::new(&mut unread.body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.unread = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.unread.as_ref().is_none_or(|unread| unread.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.unread.as_ref().map_or(SizeHint::with_exact(0), |unread| unread.body.size_hint())
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        if let Some(unread) = self.unread.take().filter(|unread| !unread.body.is_end_stream()) {
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(unread);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use tokio::time::Instant;

    use super::*;

    type Chunk = Result<Bytes, std::io::Error>;

    fn chunks() -> impl futures_util::Stream<Item = Chunk> {
        stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65_000])))
    }

    fn silent() -> Body {
        Body::from_stream(stream::pending::<Chunk>())
    }

    /// `Connection` in the response to a request whose handler did not read `body`.
    async fn connection_after(body: Body, expect: bool, status: StatusCode) -> Option<HeaderValue> {
        let mut request = Request::post("/").body(body).unwrap();
        if expect {
            request.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        let unread = UnreadBody::track(&mut request).unwrap();
        drop(request);
        finished(unread, status).await
    }

    async fn finished(unread: UnreadBody, status: StatusCode) -> Option<HeaderValue> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        unread.finish(&mut response).await;
        response.headers_mut().remove(header::CONNECTION)
    }

    #[test]
    fn a_request_without_a_body_is_not_tracked() {
        assert!(UnreadBody::track(&mut Request::new(Body::empty())).is_none());
    }

    #[tokio::test]
    async fn the_connection_stays_open_after_a_body_that_was_read() {
        let mut request = Request::new(Body::from("{}"));
        let unread = UnreadBody::track(&mut request).unwrap();
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "{}");
        assert_eq!(finished(unread, StatusCode::OK).await, None);
    }

    #[tokio::test]
    async fn a_small_unread_body_is_discarded() {
        assert_eq!(connection_after(Body::from("{}"), false, StatusCode::NOT_FOUND).await, None);
    }

    #[tokio::test]
    async fn the_connection_closes_after_413() {
        let large = Body::from_stream(chunks().take(128));
        assert_eq!(connection_after(large, false, StatusCode::PAYLOAD_TOO_LARGE).await.unwrap(), "close");
    }

    #[tokio::test]
    async fn an_unread_body_is_discarded_up_to_the_byte_bound() {
        assert_eq!(
            connection_after(Body::from_stream(chunks().take(128)), false, StatusCode::NOT_FOUND).await,
            None
        );
        let endless = Body::from_stream(chunks());
        assert_eq!(connection_after(endless, false, StatusCode::NOT_FOUND).await.unwrap(), "close");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_awaited_no_longer_than_the_bound() {
        let began = Instant::now();
        assert_eq!(connection_after(silent(), false, StatusCode::NOT_FOUND).await.unwrap(), "close");
        assert!(began.elapsed() < 2 * DISCARD_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_after_expect_continue_or_408_is_not_awaited() {
        for (expect, status) in [(true, StatusCode::PAYLOAD_TOO_LARGE), (false, StatusCode::REQUEST_TIMEOUT)]
        {
            let began = Instant::now();
            assert_eq!(connection_after(silent(), expect, status).await.unwrap(), "close");
            assert!(began.elapsed().is_zero());
        }
    }
}
