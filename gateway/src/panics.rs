//! Panics of handlers.

use std::{future::Future, panic::AssertUnwindSafe};

use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::problem::Problem;

/// Returns the response of `handler`, or 500 where it panics. The process's panic hook logs the panic; its
/// text never reaches a response.
pub(crate) fn catch_panic(handler: impl Future<Output = Response>) -> impl Future<Output = Response> {
    let outcome = AssertUnwindSafe(handler).catch_unwind();
    outcome.map(|outcome| outcome.unwrap_or_else(|_| Problem::internal().into_response()))
}
