//! Deadlines of calls.

use std::time::Duration;

use http::request;
use tokio::time::Instant;

use crate::timeout;

/// The deadline of a call for which neither the request nor the service config sets one.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
/// How much earlier than the client the server has to give up, so that its status arrives in time. Half of
/// the remaining time if that is less.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(10);

/// The time by which a call must have ended, by this process's clock. Put it into the extensions of a
/// request.
///
/// The shortest of this, the request's own `grpc-timeout` and the service config's `timeout` (gRFC A2) holds.
///
/// ```
/// # use std::time::Duration;
/// let mut request = tonic::Request::new(());
/// let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
/// request.extensions_mut().insert(grpc_client::Deadline(deadline));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

/// The deadline of a call with this request head, whose method has this timeout by the service config.
pub(crate) fn deadline_of(head: &request::Parts, method_timeout: Option<Duration>) -> Instant {
    let now = Instant::now();
    let extension = head.extensions.get::<Deadline>().map(|deadline| deadline.0);
    let method = method_timeout.map(|timeout| now + timeout);
    // `tonic::Request::set_timeout` writes this header.
    let header = head.headers.get(timeout::GRPC_TIMEOUT).and_then(timeout::parse);
    let header = header.and_then(|timeout| now.checked_add(timeout));
    extension.into_iter().chain(method).chain(header).min().unwrap_or(now + DEADLINE_DEFAULT)
}
