//! When a caller gives up, and what becomes of its call then.
//!
//! tonic has a timer of its own, which answers CANCELLED without a word in the metrics. It stands around this one,
//! begins later, and is asked later: this one always comes first.

use std::time::Duration;

use grpc_client::timeout::{self, GRPC_TIMEOUT};
use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// The least time that is worth starting with: a call that comes with less is refused with NOT_STARTED.
pub const TIME_LEFT_MIN: Duration = Duration::from_millis(20);

/// When the caller will give up, by this process's clock: an extension of every request that came with a
/// `grpc-timeout`.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// The deadline of a call that came `now`. One that cannot be read is none, as the protocol's other servers have it.
    pub(super) fn of(headers: &HeaderMap, now: Instant) -> Option<Self> {
        headers.get(GRPC_TIMEOUT).and_then(timeout::parse).map(|left| Self(now + left))
    }
}

/// What `handled` ends with; `None` where the deadline passes first, at which `handled` is dropped.
pub(super) async fn within<F: Future>(deadline: Option<Deadline>, handled: F) -> Option<F::Output> {
    match deadline {
        Some(Deadline(at)) => timeout_at(at, handled).await.ok(),
        None => Some(handled.await),
    }
}

/// What a call is answered whose deadline has passed.
pub(super) fn passed() -> Status {
    Status::deadline_exceeded("the deadline passed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_counted_from_the_call_s_arrival() {
        let now = Instant::now();
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(GRPC_TIMEOUT, value.parse().unwrap())]);
            Deadline::of(&headers, now).map(|deadline| deadline.0 - now)
        };
        assert_eq!(read("150m"), Some(Duration::from_millis(150)));
        assert_eq!(read("soon"), None);
        assert!(Deadline::of(&HeaderMap::new(), now).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_by_the_deadline_is_dropped_at_it() {
        let began = Instant::now();
        let deadline = Deadline(began + Duration::from_secs(1));
        assert_eq!(within(Some(deadline), std::future::pending::<()>()).await, None);
        assert!(began.elapsed() < Duration::from_millis(1_005), "{:?}", began.elapsed());
        assert_eq!(within(Some(deadline), std::future::ready(1)).await, Some(1));
        assert_eq!(within(None, std::future::ready(1)).await, Some(1));
    }
}
