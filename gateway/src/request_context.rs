//! The outermost middleware: trace context, request record and deadline of every request.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use service_kit::trace::{self, SpanKind};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    body::unread::UnreadBody,
    metrics::{RequestRecord, UNKNOWN_ROUTE},
    panics::catch_panic,
    problem, request_head,
    response_layers::security_headers,
    state::AppState,
    timeout,
};

/// Wraps a request in these layers, outermost first:
///
/// 1. the trace context and the request id; every response has the header `X-Request-Id`;
/// 2. the tracing span, so that each log line names both ids;
/// 3. the [`ProblemContext`](problem::ProblemContext), which gives problems their URLs;
/// 4. the [`RequestRecord`]: exactly one log line, one count and one span per request, also where the client
///    disconnects;
/// 5. the [`UnreadBody`], outside of the panic handler: after a panic too, a client that is still sending
///    gets its response;
/// 6. the panic handler, inside of everything that the response to a panic needs;
/// 7. the rejection of requests whose recipient or length is in doubt ([`request_head`]).
///
/// It also inserts the [`Deadline`](grpc_client::Deadline), counted from the request's arrival, as an
/// extension.
pub(crate) async fn with_request_context(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let arrived = Instant::now();
    let route: Option<Arc<str>> = request.extensions().get::<MatchedPath>().map(|path| path.as_str().into());
    let deadline = timeout::deadline(request.headers(), arrived, state.request_timeout);
    request.extensions_mut().insert(deadline);
    let context = trace::Context::entering(&state.tracer, request.headers());
    let request_id = trace::request_id_value(context.request_id);
    let span = context.record(SpanKind::Server, "HTTP");
    let log_span = context.span(route.as_deref().unwrap_or(UNKNOWN_ROUTE));
    let problem_context = state.problem_context.clone();

    let handled = async move {
        let record = RequestRecord::begin(&state.metrics, span, &request, route, arrived);
        let unread = UnreadBody::track(&mut request);
        let mut response = match request_head::reject_ambiguous(&request) {
            Some(mut response) => {
                security_headers::insert(response.headers_mut(), state.is_https());
                response
            }
            None => catch_panic(next.run(request)).await,
        };
        if let Some(unread) = unread {
            unread.finish(&mut response);
        }
        record.end(response.status());
        response
    };
    let handled = problem::scope(problem_context, handled);
    let mut response = trace::scope(context, handled).instrument(log_span).await;
    response.headers_mut().insert(trace::REQUEST_ID, request_id);
    response
}
