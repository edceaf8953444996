//! What a connection is used for: whether it is idle, how long its client takes to read, and how often it gives up
//! what it asked for.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval},
};

use super::metrics::CloseReason;
use crate::limits::{
    ABANDONED_MAX, RESPONSE_CHUNK_BYTES, RESPONSE_READ_MAX, CONNECTION_IDLE_MAX, CONNECTION_CHECK_INTERVAL,
};

/// What is known of one connection.
#[derive(Clone)]
pub(super) struct Activity(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    abandoning: Notify,
}

struct State {
    /// When there was a request last, or, if there was none, when the connection was opened.
    used: Instant,
    /// The number of the last request.
    requests: u64,
    /// Requests that are being worked on.
    in_work: usize,
    /// The answers that are not read to their end, by their requests' numbers, and when the head of each was made: the
    /// oldest first.
    unread: Vec<(u64, Instant)>,
    answered: u64,
    abandoned: u64,
}

impl Activity {
    pub(super) fn begin() -> Self {
        let state = State {
            used: Instant::now(),
            requests: 0,
            in_work: 0,
            unread: Vec::new(),
            answered: 0,
            abandoned: 0,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), abandoning: Notify::new() }))
    }

    /// Whether there was a request.
    pub(super) fn is_used(&self) -> bool {
        self.state().requests > 0
    }

    /// A request comes.
    pub(super) fn request(&self) -> Request {
        let mut state = self.state();
        state.requests += 1;
        state.in_work += 1;
        Request { id: state.requests, activity: Some(self.clone()) }
    }

    /// Returns when the connection should be closed, and why.
    pub(super) async fn ended(&self) -> CloseReason {
        let mut looks = interval(CONNECTION_CHECK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.0.abandoning.notified() => return CloseReason::Abandoning,
                now = looks.tick() => if let Some(why) = self.state().bound_passed(now) { return why },
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bound_passed(&self, now: Instant) -> Option<CloseReason> {
        let unread = self.unread.first().is_some_and(|(_, since)| now - *since > RESPONSE_READ_MAX);
        let idle = self.in_work == 0 && self.unread.is_empty() && now - self.used > CONNECTION_IDLE_MAX;
        unread.then_some(CloseReason::Unread).or(idle.then_some(CloseReason::Idle))
    }
}

/// A request that is being worked on; dropped before its answer, it was abandoned.
pub(super) struct Request {
    id: u64,
    /// `None` once it was answered.
    activity: Option<Activity>,
}

impl Request {
    /// The answer, which is watched until it is read.
    pub(super) fn answer(mut self, response: Response) -> http::Response<Watched> {
        let reading = self.activity.take().map(|activity| Reading::begin(self.id, activity));
        response.map(|body| Watched { body, rest: Bytes::new(), _reading: reading })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let Some(activity) = &self.activity else { return };
        let mut state = activity.state();
        state.in_work -= 1;
        state.used = Instant::now();
        state.abandoned += 1;
        if state.abandoned.saturating_sub(state.answered) > ABANDONED_MAX {
            activity.0.abandoning.notify_one();
        }
    }
}

/// An answer that is being read.
struct Reading {
    id: u64,
    activity: Activity,
}

impl Reading {
    fn begin(id: u64, activity: Activity) -> Self {
        let mut state = activity.state();
        state.in_work -= 1;
        state.unread.push((id, Instant::now()));
        drop(state);
        Self { id, activity }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.unread.retain(|(id, _)| *id != self.id);
        state.answered += 1;
        state.used = Instant::now();
    }
}

/// A body of an answer; it is dropped when all but the last [`RESPONSE_CHUNK_BYTES`] of it was read, or will not be. (HTTP/2
/// takes a chunk as a whole, however little its client reads, and then asks for the next.)
pub(super) struct Watched {
    body: Body,
    /// What of a chunk was not handed out yet.
    rest: Bytes,
    _reading: Option<Reading>,
}

impl HttpBody for Watched {
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
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;
    use tokio::time::timeout;

    use super::*;

    /// Far beyond every bound.
    const LONG: Duration = Duration::from_secs(3600);

    async fn ends(activity: &Activity) -> Option<(CloseReason, Duration)> {
        let began = Instant::now();
        timeout(LONG, activity.ended()).await.ok().map(|why| (why, began.elapsed()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_when_it_is_idle() {
        let activity = Activity::begin();
        let working = activity.request();
        assert_eq!(ends(&activity).await, None);
        drop(working.answer(Response::new(Body::empty())));
        let (why, after) = ends(&activity).await.unwrap();
        assert_eq!(why, CloseReason::Idle);
        assert!(
            (CONNECTION_IDLE_MAX..=CONNECTION_IDLE_MAX + CONNECTION_CHECK_INTERVAL).contains(&after),
            "{after:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_when_one_answer_is_not_read_whatever_else_is() {
        let activity = Activity::begin();
        let _unread = activity.request().answer(Response::new(Body::from("x")));
        let others = async {
            loop {
                drop(activity.request().answer(Response::new(Body::from("y"))));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let ended = tokio::select! { ended = ends(&activity) => ended, () = others => None };
        let (why, after) = ended.unwrap();
        assert_eq!(why, CloseReason::Unread);
        assert!((RESPONSE_READ_MAX..=RESPONSE_READ_MAX + CONNECTION_CHECK_INTERVAL).contains(&after), "{after:?}");
    }

    #[tokio::test]
    async fn an_answer_is_unread_until_its_last_part_is_taken() {
        let activity = Activity::begin();
        let bytes = Bytes::from(vec![7; 2 * RESPONSE_CHUNK_BYTES + 1]);
        let mut body = activity.request().answer(Response::new(Body::from(bytes.clone()))).into_body();
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        let mut read = Vec::new();
        for expected in [RESPONSE_CHUNK_BYTES, RESPONSE_CHUNK_BYTES, 1] {
            assert!(!body.is_end_stream() && !activity.state().unread.is_empty());
            let part = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(part.len(), expected);
            read.extend_from_slice(&part);
            assert_eq!(body.size_hint().exact(), Some((bytes.len() - read.len()) as u64));
        }
        assert!(body.is_end_stream() && read == bytes);
        drop(body);
        assert!(activity.state().unread.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_give_up_as_much_as_it_waits_for_and_some_more() {
        let activity = Activity::begin();
        for _ in 0..10 * ABANDONED_MAX {
            drop(activity.request());
            drop(activity.request().answer(Response::new(Body::empty())));
        }
        for _ in 0..ABANDONED_MAX {
            drop(activity.request());
        }
        assert!(timeout(Duration::from_millis(1), activity.ended()).await.is_err());
        drop(activity.request());
        assert_eq!(ends(&activity).await.unwrap().0, CloseReason::Abandoning);
    }
}
