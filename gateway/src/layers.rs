//! What every request passes before its handler, and every answer after it.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use service_kit::trace::{self, SpanKind};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    body::leftover::Leftover,
    metrics::{UNKNOWN, Visit},
    problem::{self, Problem},
    routes::Shared,
    timeout,
};

/// The layers, outermost first. They are one function since each is a line of it:
///
/// 1. the trace context and the request id, so that all that follows knows them, and the header
///    `X-Request-Id` of every answer;
/// 2. the span of log lines, so that every one names them;
/// 3. the gateway's [`ProblemContext`](problem::ProblemContext), so that problems know their addresses;
/// 4. the [`Visit`], so that exactly one line is logged, one request counted and one span ended, also of a client that
///    left;
/// 5. the [`Leftover`], outside of the catch, so that a panic does not cut off a client that is still sending;
/// 6. the catch, inside of all that an answer to a panic needs.
///
/// The [`Deadline`](grpc_client::Deadline) is an extension of the request, counted from its arrival.
pub(crate) async fn pass(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let route: Option<Arc<str>> = request.extensions().get::<MatchedPath>().map(|path| path.as_str().into());
    let deadline = timeout::deadline(request.headers(), arrived, shared.request_timeout());
    request.extensions_mut().insert(deadline);
    let context = trace::Context::entering(shared.tracer(), request.headers());
    let request_id = trace::request_id_value(context.request_id);
    let span = context.record(SpanKind::Server, "HTTP");
    let lines = context.span(route.as_deref().unwrap_or(UNKNOWN));
    let problem_context = shared.problem_context().clone();

    let answered = async move {
        let visit = Visit::begin(shared.metrics(), span, &request, route, arrived);
        let leftover = Leftover::watch(&mut request);
        let mut response = caught(next.run(request)).await;
        if let Some(leftover) = leftover {
            leftover.finish(&mut response).await;
        }
        visit.end(response.status());
        response
    };
    let mut response =
        trace::scope(context, problem::scope(problem_context, answered)).instrument(lines).await;
    response.headers_mut().insert(trace::REQUEST_ID, request_id);
    response
}

/// What `handled` answers, or, where it panics, that the gateway failed. The panic itself was logged by the
/// process's hook; its text is nobody else's business.
pub(crate) fn caught(handled: impl Future<Output = Response>) -> impl Future<Output = Response> {
    let answered = AssertUnwindSafe(handled).catch_unwind();
    answered.map(|answered| answered.unwrap_or_else(|_| Problem::internal().into_response()))
}
