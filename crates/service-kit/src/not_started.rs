//! Refusals that say that nothing was done.
//!
//! A server that does not take a call (too many in flight), or a handler that could not begin, answers with
//! `google.rpc.ErrorInfo{reason: NOT_STARTED}` and `RetryInfo`. Its caller may then treat the call as one that
//! never ran. (A server that drains says so by GOAWAY, which means the same.)

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The reason that promises that this call did nothing.
pub const NOT_STARTED: &str = "NOT_STARTED";

/// How soon a refused caller may try again.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal by the service that `domain` names.
pub fn status(domain: &str, message: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(NOT_STARTED, domain, HashMap::<String, String>::new());
    details.set_retry_info(Some(RETRY_AFTER));
    Status::with_error_details(Code::Unavailable, message, details)
}

/// Whether a backend's own status promises that its call did nothing, as [`status`] does.
pub fn is_not_started(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == NOT_STARTED)
}
