//! The deadline of a call, from the header `grpc-timeout`.

use std::time::Duration;

use grpc_client::timeout::{self, GRPC_TIMEOUT};
use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// The least time left at which a call starts; with less it is rejected with NOT_STARTED.
pub const TIME_LEFT_MIN: Duration = Duration::from_millis(20);

/// The deadline of a call, by the clock of this process: an extension of every request with a `grpc-timeout`.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// The deadline of a call that arrived `now`. An invalid header counts as absent, as in other gRPC
    /// servers.
    pub(super) fn of(headers: &HeaderMap, now: Instant) -> Option<Self> {
        headers.get(GRPC_TIMEOUT).and_then(timeout::parse).map(|left| Self(now + left))
    }
}

/// The output of `handled`, or `None` where the deadline passes first, which drops `handled`.
pub(super) async fn within<F: Future>(deadline: Option<Deadline>, handled: F) -> Option<F::Output> {
    match deadline {
        Some(Deadline(at)) => timeout_at(at, handled).await.ok(),
        None => Some(handled.await),
    }
}

/// The status of a call after its deadline.
pub(super) fn passed() -> Status {
    Status::deadline_exceeded("the deadline passed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_counts_from_the_arrival_of_the_call() {
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
    async fn work_is_dropped_at_its_deadline() {
        let began = Instant::now();
        let deadline = Deadline(began + Duration::from_secs(1));
        assert_eq!(within(Some(deadline), std::future::pending::<()>()).await, None);
        assert!(began.elapsed() < Duration::from_millis(1_005), "{:?}", began.elapsed());
        assert_eq!(within(Some(deadline), std::future::ready(1)).await, Some(1));
        assert_eq!(within(None, std::future::ready(1)).await, Some(1));
    }
}
