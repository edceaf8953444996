//! The status NOT_STARTED: the call did nothing.
//!
//! A server that rejects a call (too many in flight), or a handler that cannot begin, returns
//! `google.rpc.ErrorInfo{reason: NOT_STARTED}` and `RetryInfo`. The client may treat the call as one that
//! never ran. A draining server sends GOAWAY, which means the same.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The reason of an `ErrorInfo`: this call did nothing.
pub const NOT_STARTED: &str = "NOT_STARTED";

/// The delay before a rejected client may retry.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The status NOT_STARTED of the service `domain`.
pub fn status(domain: &str, message: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(NOT_STARTED, domain, HashMap::<String, String>::new());
    details.set_retry_info(Some(RETRY_AFTER));
    Status::with_error_details(Code::Unavailable, message, details)
}

/// Whether a status of a server means that the call did nothing, as [`status`] does: by the reason alone,
/// of any domain.
pub fn is_not_started(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == NOT_STARTED)
}
