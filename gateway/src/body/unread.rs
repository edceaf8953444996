//! The part of a request's body that its handler did not read.
//!
//! A server that responds over HTTP/1 and closes while a client is still sending makes the client lose the
//! response: its data arrive at a closed socket, and the reset that follows overtakes the response. The
//! response is therefore sent at once, and the rest of the body discarded meanwhile, within bounds; beyond
//! them the connection closes.
//!
//! Over HTTP/2 the library resets the stream with NO_ERROR after the response (RFC 9113, section 8.1).

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

use crate::limits::{BODY_BYTES_MAX, DISCARD_BYTES_MAX, DISCARD_MAX};

/// Discards what the handler of one request leaves of its body.
pub(crate) struct UnreadBody {
    slot: Slot,
    sender: Sender,
}

/// The client of an HTTP/1 request.
#[derive(Debug, Clone, Copy)]
struct Sender {
    /// The client may wait for `100 Continue` before it sends the body (RFC 9110, section 10.1.1).
    expects_continue: bool,
}

/// Receives a body that is dropped before its end.
type Slot = Arc<Mutex<Option<Unread>>>;

struct Unread {
    body: Body,
    /// Whether the handler has polled it.
    started: bool,
    /// Whether its framing is invalid, so that no further request can be found in the connection.
    broken: bool,
}

impl UnreadBody {
    /// Wraps the body of `request` in a [`TrackedBody`]. `None` for a request without a body and over HTTP/2.
    pub(crate) fn track(request: &mut Request<Body>) -> Option<Self> {
        let sender = Sender::of(request).filter(|_| !request.body().is_end_stream())?;
        let slot = Slot::default();
        let body = std::mem::take(request.body_mut());
        let unread = Some(Unread { body, started: false, broken: false });
        *request.body_mut() = Body::new(TrackedBody { unread, slot: slot.clone() });
        Some(Self { slot, sender })
    }

    /// Discards the unread part while `response` is sent.
    pub(crate) fn finish(self, response: &mut Response) {
        let unread = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        match unread {
            Some(Unread { broken: true, .. }) => close_after(response),
            Some(Unread { body, started, .. }) => self.sender.finish(body, started, response),
            None => {}
        }
    }
}

/// The same for a request whose response was made from its `head` alone.
pub(crate) fn finish<B: DrainBody>(head: &Request<()>, body: B, response: &mut Response) {
    if let Some(sender) = Sender::of(head).filter(|_| !body.is_end_stream()) {
        sender.finish(body, false, response);
    }
}

/// A body that can be drained.
pub(crate) trait DrainBody: HttpBody<Data = Bytes, Error: Send> + Unpin + Send + 'static {}

impl<B: HttpBody<Data = Bytes, Error: Send> + Unpin + Send + 'static> DrainBody for B {}

impl Sender {
    /// `None` for an HTTP/2 request.
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let expects_continue = request.headers().contains_key(header::EXPECT);
        (request.version() < Version::HTTP_2).then_some(Self { expects_continue })
    }

    /// Discards `body`, and announces in `response` that the connection closes if the body is large or the
    /// client may not be sending it.
    fn finish(self, body: impl DrainBody, started: bool, response: &mut Response) {
        // A client that waits for 100 Continue need not be sending, and a body that timed out is not awaited
        // again.
        let is_sending =
            (started || !self.expects_continue) && response.status() != StatusCode::REQUEST_TIMEOUT;
        let is_large = body.size_hint().lower() > BODY_BYTES_MAX as u64
            || response.status() == StatusCode::PAYLOAD_TOO_LARGE;
        if !is_sending || is_large {
            close_after(response);
        }
        if is_sending {
            // The connection serves no other request meanwhile: it has one such task at most.
            tokio::spawn(discard(body));
        }
    }
}

fn close_after(response: &mut Response) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Reads the body to its end, or up to [`DISCARD_BYTES_MAX`] and [`DISCARD_MAX`]. Dropping a body before its
/// end closes the connection.
async fn discard(mut body: impl DrainBody) {
    let to_end = async {
        let mut bytes_left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.into_data().map_or(0, |data| data.len());
            let Some(left) = bytes_left.checked_sub(bytes) else { break };
            bytes_left = left;
        }
    };
    // A slower client is cut off.
    let _ = timeout(DISCARD_MAX, to_end).await;
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
        match frame {
            Some(Ok(_)) => {}
            // The drop of this body hands it over.
            Some(Err(_)) => unread.broken = true,
            None => self.unread = None,
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
        let is_unread = |unread: &Unread| unread.broken || !unread.body.is_end_stream();
        if let Some(unread) = self.unread.take().filter(is_unread) {
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(unread);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{Stream, StreamExt, stream};
    use tokio::{sync::oneshot, time::Instant};

    use super::*;

    const CHUNK_BYTES: usize = 65_000;

    type Chunk = Result<Bytes, std::io::Error>;

    /// A body of chunks that counts the chunks read. The receiver completes when the body is dropped.
    fn counted(
        chunks: impl Stream<Item = Chunk> + Send + 'static,
    ) -> (Body, Arc<AtomicUsize>, oneshot::Receiver<()>) {
        let (read, (alive, dropped)) = (Arc::new(AtomicUsize::new(0)), oneshot::channel());
        let counter = read.clone();
        let chunks = chunks.map(move |chunk| {
            let _alive = &alive;
            counter.fetch_add(1, Ordering::Relaxed);
            chunk
        });
        (Body::from_stream(chunks), read, dropped)
    }

    fn chunks() -> impl Stream<Item = Chunk> {
        stream::repeat_with(|| Ok(Bytes::from_static(&[0; CHUNK_BYTES])))
    }

    /// `Connection` in the response to a request whose handler did not read `body`.
    fn connection_after(body: Body, expect: bool, status: StatusCode) -> Option<HeaderValue> {
        let mut request = Request::post("/").body(body).unwrap();
        if expect {
            request.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        let unread = UnreadBody::track(&mut request).unwrap();
        drop(request);
        finished(unread, status)
    }

    fn finished(unread: UnreadBody, status: StatusCode) -> Option<HeaderValue> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        unread.finish(&mut response);
        response.headers_mut().remove(header::CONNECTION)
    }

    #[test]
    fn a_request_without_a_body_or_over_http_2_is_not_tracked() {
        assert!(UnreadBody::track(&mut Request::new(Body::empty())).is_none());
        let request = Request::builder().version(Version::HTTP_2);
        assert!(UnreadBody::track(&mut request.body(Body::from("{}")).unwrap()).is_none());
    }

    #[tokio::test]
    async fn the_connection_stays_open_after_a_body_that_was_read() {
        let mut request = Request::new(Body::from("{}"));
        let unread = UnreadBody::track(&mut request).unwrap();
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "{}");
        assert_eq!(finished(unread, StatusCode::OK), None);
    }

    #[tokio::test]
    async fn the_connection_closes_after_a_body_of_invalid_framing() {
        let broken = Body::from_stream(stream::iter([Chunk::Err(std::io::ErrorKind::InvalidData.into())]));
        let mut request = Request::new(broken);
        let unread = UnreadBody::track(&mut request).unwrap();
        assert!(request.into_body().collect().await.is_err());
        assert_eq!(finished(unread, StatusCode::BAD_REQUEST).unwrap(), "close");
    }

    #[tokio::test]
    async fn the_connection_stays_open_after_a_body_that_may_be_an_order() {
        for (bytes, connection) in [(2, None), (BODY_BYTES_MAX, None), (BODY_BYTES_MAX + 1, Some("close"))] {
            let body = Body::from(vec![b' '; bytes]);
            let header = connection_after(body, false, StatusCode::NOT_FOUND);
            assert_eq!(header, connection.map(HeaderValue::from_static), "{bytes}");
        }
    }

    #[tokio::test]
    async fn an_unread_body_is_discarded_to_its_end_or_the_byte_bound() {
        for (length, expected) in [(100, 100), (usize::MAX, DISCARD_BYTES_MAX / CHUNK_BYTES + 1)] {
            let (body, read, dropped) = counted(chunks().take(length));
            let header = connection_after(body, false, StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(header.unwrap(), "close");
            assert!(dropped.await.is_err());
            assert_eq!(read.load(Ordering::Relaxed), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_read_from_no_longer_than_the_bound() {
        let (began, (body, _, dropped)) = (Instant::now(), counted(stream::pending()));
        assert_eq!(connection_after(body, false, StatusCode::NOT_FOUND), None);
        assert!(began.elapsed().is_zero());
        assert!(dropped.await.is_err());
        assert!(began.elapsed() >= DISCARD_MAX && began.elapsed() < 2 * DISCARD_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_after_expect_continue_or_408_is_not_read() {
        for (expect, status) in [(true, StatusCode::PAYLOAD_TOO_LARGE), (false, StatusCode::REQUEST_TIMEOUT)]
        {
            let (began, (body, _, dropped)) = (Instant::now(), counted(stream::pending()));
            assert_eq!(connection_after(body, expect, status).unwrap(), "close");
            assert!(dropped.await.is_err());
            assert!(began.elapsed().is_zero());
        }
    }
}
