//! What of a request's body nobody read.
//!
//! A server that answers and closes while a client is still sending makes the client lose the answer: its
//! data meet a closed socket, and the reset that follows overtakes what was sent. So what is left is
//! discarded before the answer goes out, within bounds, and then the connection is closed.

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

/// Sees to what the handler of one request leaves of its body.
pub(crate) struct UnreadBody {
    slot: Slot,
    client: Client,
}

/// What is to be known of a client that may still be sending.
#[derive(Debug, Clone, Copy)]
struct Client {
    version: Version,
    /// It may be waiting to be asked for the body (RFC 9110, section 10.1.1).
    waits: bool,
}

/// Where a body goes that was dropped before its end.
type Slot = Arc<Mutex<Option<Unread>>>;

struct Unread {
    body: Body,
    /// Whether some of it was asked for.
    begun: bool,
}

impl UnreadBody {
    /// Puts an observer around the body of `request`; `None` for a request without one.
    pub(crate) fn track(request: &mut Request<Body>) -> Option<Self> {
        if request.body().is_end_stream() {
            return None;
        }
        let slot = Slot::default();
        let body = std::mem::take(request.body_mut());
        let unread = Some(Unread { body, begun: false });
        *request.body_mut() = Body::new(TrackedBody { unread, slot: slot.clone() });
        Some(Self { slot, client: Client::of(request) })
    }

    /// Discards what was left, within bounds, and has the connection closed where there was too much.
    pub(crate) async fn finish(self, response: &mut Response) {
        let unread = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Unread { body, begun }) = unread {
            self.client.finish(body, begun, response).await;
        }
    }
}

/// Does the same with the `body` of a request that was answered by its `head` alone.
pub(crate) async fn finish<B: DrainBody>(head: &Request<()>, body: B, response: &mut Response) {
    if !body.is_end_stream() {
        Client::of(head).finish(body, false, response).await;
    }
}

/// A body that can be read and thrown away.
pub(crate) trait DrainBody: HttpBody<Data = Bytes> + Unpin {}

impl<B: HttpBody<Data = Bytes> + Unpin> DrainBody for B {}

impl Client {
    fn of<B>(request: &Request<B>) -> Self {
        Self { version: request.version(), waits: request.headers().contains_key(header::EXPECT) }
    }

    async fn finish(self, body: impl DrainBody, begun: bool, response: &mut Response) {
        // A body that nobody asked for need not be on its way, and one that was too slow is not waited for again.
        let expected = (begun || !self.waits) && response.status() != StatusCode::REQUEST_TIMEOUT;
        let complete = expected && discard(body).await;
        let keep = complete && response.status() != StatusCode::PAYLOAD_TOO_LARGE;
        if !keep && self.version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Whether the body came to its end within the bounds.
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

/// A body that goes into the slot when it is dropped before its end.
struct TrackedBody {
    /// `None` once it has come to its end.
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
        unread.begun = true;
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

    type Piece = Result<Bytes, std::io::Error>;

    fn pieces() -> impl futures_util::Stream<Item = Piece> {
        stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65_000])))
    }

    fn silent() -> Body {
        Body::from_stream(stream::pending::<Piece>())
    }

    /// What the answer says of the connection where nobody read `body`.
    async fn unread(body: Body, expect: bool, status: StatusCode) -> Option<HeaderValue> {
        let mut request = Request::post("/").body(body).unwrap();
        if expect {
            request.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        let unread_body = UnreadBody::track(&mut request).unwrap();
        drop(request);
        finished(unread_body, status).await
    }

    async fn finished(unread_body: UnreadBody, status: StatusCode) -> Option<HeaderValue> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        unread_body.finish(&mut response).await;
        response.headers_mut().remove(header::CONNECTION)
    }

    #[test]
    fn a_request_without_a_body_needs_no_watching() {
        assert!(UnreadBody::track(&mut Request::new(Body::empty())).is_none());
    }

    #[tokio::test]
    async fn a_body_that_was_read_leaves_the_connection_open() {
        let mut request = Request::new(Body::from("{}"));
        let unread_body = UnreadBody::track(&mut request).unwrap();
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "{}");
        assert_eq!(finished(unread_body, StatusCode::OK).await, None);
    }

    #[tokio::test]
    async fn a_small_body_that_nobody_read_is_discarded() {
        assert_eq!(unread(Body::from("{}"), false, StatusCode::NOT_FOUND).await, None);
    }

    #[tokio::test]
    async fn after_a_body_that_was_too_large_the_connection_closes() {
        let large = Body::from_stream(pieces().take(128));
        assert_eq!(unread(large, false, StatusCode::PAYLOAD_TOO_LARGE).await.unwrap(), "close");
    }

    #[tokio::test]
    async fn what_is_within_the_bound_is_discarded_to_its_end() {
        assert_eq!(unread(Body::from_stream(pieces().take(128)), false, StatusCode::NOT_FOUND).await, None);
        let endless = Body::from_stream(pieces());
        assert_eq!(unread(endless, false, StatusCode::NOT_FOUND).await.unwrap(), "close");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_given_up_within_the_bound() {
        let began = Instant::now();
        assert_eq!(unread(silent(), false, StatusCode::NOT_FOUND).await.unwrap(), "close");
        assert!(began.elapsed() < 2 * DISCARD_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_was_not_asked_for_or_too_slow_is_not_waited_for() {
        for (expect, status) in [(true, StatusCode::PAYLOAD_TOO_LARGE), (false, StatusCode::REQUEST_TIMEOUT)]
        {
            let began = Instant::now();
            assert_eq!(unread(silent(), expect, status).await.unwrap(), "close");
            assert!(began.elapsed().is_zero());
        }
    }
}
