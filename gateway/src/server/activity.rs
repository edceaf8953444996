//! The activity of one connection: whether it is idle, how long its client takes to read, and how many
//! requests it abandons.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use http::{Request, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval},
};

use super::metrics::CloseReason;
use crate::limits::{
    ABANDONED_MAX, CLOSE_CHECK_INTERVAL, CLOSE_LINGER, CONNECTION_CHECK_INTERVAL, HEAD_READ_MAX,
    HTTP_2_IDLE_MAX, RESPONSE_CHUNK_BYTES, RESPONSE_READ_MAX,
};

/// The activity of one connection. Cheap to clone: clones share the state.
#[derive(Clone)]
pub(super) struct Activity(Arc<Inner>);

struct Inner {
    /// How long an HTTP/1 connection may be idle.
    keep_alive: Duration,
    state: Mutex<State>,
    abandoned_too_many: Notify,
}

struct State {
    /// End of the last request, or start of the connection.
    last_used: Instant,
    /// Whether the last request came by HTTP/2.
    is_http_2: bool,
    /// The time of the first byte after the last response: of a request's head, where the version is HTTP/1.
    head_since: Option<Instant>,
    /// Whether the body of the last request has not arrived to its end.
    body_arrives: bool,
    /// Woken after a response.
    reader: Option<Waker>,
    /// Requests so far; the last one's id.
    requests: u64,
    /// Requests without a response.
    in_flight: usize,
    /// Responses that the client has not read to their end, oldest first.
    unread: Vec<Unread>,
    completed: u64,
    abandoned: u64,
}

struct Unread {
    /// The id of its request.
    id: u64,
    /// The time of its head.
    since: Instant,
    /// The time of its last chunk, or of its head.
    progress: Instant,
}

impl Default for State {
    fn default() -> Self {
        let last_used = Instant::now();
        Self {
            last_used,
            is_http_2: false,
            head_since: None,
            body_arrives: false,
            reader: None,
            requests: 0,
            in_flight: 0,
            unread: Vec::new(),
            completed: 0,
            abandoned: 0,
        }
    }
}

/// A response that is due on an HTTP/1 connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The body of its request has not been read to its end.
    BodyArrives,
    /// Its request was read as a whole.
    BodyArrived,
}

impl Activity {
    /// The activity of a connection that may be idle for `keep_alive`.
    pub(super) fn new(keep_alive: Duration) -> Self {
        let (state, abandoned_too_many) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { keep_alive, state, abandoned_too_many }))
    }

    /// Records that bytes arrived.
    pub(super) fn record_read(&self) {
        let mut state = self.state();
        if state.head_since.is_none() && state.in_flight == 0 && state.unread.is_empty() {
            state.head_since = Some(Instant::now());
        }
    }

    /// What the client of an HTTP/1 connection is owed: `None` without a request in flight, and over HTTP/2,
    /// whose connections have no half.
    pub(super) fn response_due(&self) -> Option<Due> {
        let state = self.state();
        let is_due = !state.is_http_2 && (state.in_flight > 0 || !state.unread.is_empty());
        is_due.then_some(if state.body_arrives { Due::BodyArrives } else { Due::BodyArrived })
    }

    /// Wakes `reader` once the client has read a response.
    pub(super) fn wake_after_response(&self, reader: &Waker) {
        self.state().reader = Some(reader.clone());
    }

    /// Records that the body of the last request was read to its end.
    pub(super) fn end_body(&self) {
        self.state().body_arrives = false;
    }

    /// Observes the end of the request's body.
    pub(super) fn observe(&self, request: Request<Incoming>) -> Request<RequestBody> {
        request.map(|body| RequestBody { body, activity: self.clone() })
    }

    pub(super) fn has_requests(&self) -> bool {
        self.state().requests > 0
    }

    /// `has_body` is whether the request's body is still to arrive.
    pub(super) fn begin_request(&self, version: Version, has_body: bool) -> RequestGuard {
        let mut state = self.state();
        state.is_http_2 = version == Version::HTTP_2;
        state.head_since = None;
        state.body_arrives = has_body;
        state.requests += 1;
        state.in_flight += 1;
        RequestGuard { id: state.requests, activity: Some(self.clone()) }
    }

    /// Completes when the connection exceeds a limit and should close.
    pub(super) async fn limit_reached(&self) -> CloseReason {
        let mut checks = interval(CONNECTION_CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.0.abandoned_too_many.notified() => return CloseReason::Abandoning,
                now = checks.tick() => {
                    let exceeded = self.state().time_limit_exceeded(now, self.0.keep_alive);
                    if let Some(reason) = exceeded { return reason }
                }
            }
        }
    }

    /// Completes where no request is in flight, and the client has read nothing for [`CLOSE_LINGER`].
    pub(super) async fn settled(&self) {
        let mut checks = interval(CLOSE_CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = checks.tick().await;
            if self.state().is_settled(now) {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn time_limit_exceeded(&self, now: Instant, keep_alive: Duration) -> Option<CloseReason> {
        if self.unread.first().is_some_and(|unread| now - unread.since > RESPONSE_READ_MAX) {
            return Some(CloseReason::Unread);
        }
        if self.in_flight > 0 || !self.unread.is_empty() {
            return None;
        }
        // An idle HTTP/2 connection exchanges frames.
        let head_since = self.head_since.filter(|_| !self.is_http_2);
        if head_since.is_some_and(|since| now - since > HEAD_READ_MAX) {
            return Some(CloseReason::SlowHead);
        }
        let idle_max = if self.is_http_2 { keep_alive.max(HTTP_2_IDLE_MAX) } else { keep_alive };
        // The time of an HTTP/1 head that has begun is limited above.
        (head_since.is_none() && now - self.last_used > idle_max).then_some(CloseReason::Idle)
    }

    fn is_settled(&self, now: Instant) -> bool {
        let reading = self.unread.iter().any(|unread| now - unread.progress < CLOSE_LINGER);
        self.in_flight == 0 && !reading && now - self.last_used >= CLOSE_LINGER
    }
}

/// A request body whose end is recorded.
pub(super) struct RequestBody {
    body: Incoming,
    activity: Activity,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.activity.end_body();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request in flight. Dropping it without a response counts the request as abandoned.
pub(super) struct RequestGuard {
    id: u64,
    /// `None` after the response.
    activity: Option<Activity>,
}

impl RequestGuard {
    /// Ends the request, and tracks the response until the client has read it.
    pub(super) fn track(mut self, response: Response) -> http::Response<ResponseBody> {
        let guard = self.activity.take().map(|activity| ResponseGuard::begin(self.id, activity));
        response.map(|body| ResponseBody { body, rest: Bytes::new(), guard })
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let Some(activity) = &self.activity else { return };
        let mut state = activity.state();
        state.in_flight -= 1;
        state.last_used = Instant::now();
        state.head_since = None;
        state.abandoned += 1;
        if state.abandoned.saturating_sub(state.completed) > ABANDONED_MAX {
            activity.0.abandoned_too_many.notify_one();
        }
    }
}

/// A response that the client has not read to its end.
struct ResponseGuard {
    id: u64,
    activity: Activity,
}

impl ResponseGuard {
    fn begin(id: u64, activity: Activity) -> Self {
        let mut state = activity.state();
        state.in_flight -= 1;
        let now = Instant::now();
        state.unread.push(Unread { id, since: now, progress: now });
        drop(state);
        Self { id, activity }
    }

    /// Records that the client takes a chunk.
    fn record_progress(&self) {
        let mut state = self.activity.state();
        if let Some(unread) = state.unread.iter_mut().find(|unread| unread.id == self.id) {
            unread.progress = Instant::now();
        }
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.unread.retain(|unread| unread.id != self.id);
        state.completed += 1;
        state.last_used = Instant::now();
        state.head_since = None;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// A response body in chunks of at most [`RESPONSE_CHUNK_BYTES`]. It is dropped after the client has read all
/// but the last chunk, or has disconnected: HTTP/2 buffers a chunk as a whole, and polls for the next one
/// after it was sent.
pub(super) struct ResponseBody {
    body: Body,
    /// The rest of the current chunk of `body`.
    rest: Bytes,
    guard: Option<ResponseGuard>,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(chunk))) => self.rest = chunk,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        if let Some(guard) = &self.guard {
            guard.record_progress();
        }
        let bytes = self.rest.len().min(RESPONSE_CHUNK_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.rest.len() as u64, self.body.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests;
