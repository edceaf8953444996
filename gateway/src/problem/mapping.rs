//! Maps a failed call to a problem: the one table between gRPC and HTTP.

use std::{collections::HashMap, error::Error};

use grpc_client::Failure;
use http::{HeaderValue, header};
use service_kit::telemetry;
use tonic::{Code, Status};
use tonic_types::pb::{ErrorInfo, LocalizedMessage};

use super::{
    Problem, context,
    context::{DropReason, ProblemContext},
    details,
    details::{Details, log_dropped, non_empty, truncated},
    language, links, pointer,
    pointer::BodyShape,
    registry,
    registry::ProblemType,
};
use crate::header_names::IDEMPOTENT_REPLAYED;

/// The metadata key of a reason that is `true` where the status repeats that of an earlier call.
const REPLAYED_KEY: &str = "replayed";
const ORDER_ID_KEY: &str = "order_id";

/// What a problem depends on of the request.
#[derive(Debug, Clone, Default)]
pub struct RequestFacts {
    /// Whether the call may change something. Then the outcome of a call that may have run is unknown.
    pub write: bool,
    /// The shape of the request body, if the request had one.
    pub shape: Option<BodyShape>,
    /// The order that the request names.
    pub order_id: Option<i64>,
    /// The request's `Accept-Language`.
    pub accept_language: Option<HeaderValue>,
}

/// The problem of a call through [`grpc_client::Channel`] that failed with `status`.
///
/// Logs the cause, which is logged nowhere else. Must run within the request's trace context and
/// [`scope`](super::scope).
pub fn from_status(status: &Status, request: &RequestFacts) -> Problem {
    let failure = match Failure::of(status) {
        // A backend that reports success without a message violates gRPC.
        Failure::ServerStatus if status.code() == Code::Ok => Failure::InvalidResponse,
        failure => failure,
    };
    log_cause(failure, status);
    let problem = match failure {
        Failure::ServerStatus => from_backend_status(status, request, &context::current()),
        _ => from_transport_failure(failure, request.write),
    };
    match request.order_id {
        Some(id) if problem.0.body.order_id.is_none() => problem.with_order_id(id),
        _ => problem,
    }
}

/// Whether messages with this code describe a service rather than the request.
const fn masks_message(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// Shows nothing of the status: the transport made it, and it names addresses and sockets.
pub(super) fn from_transport_failure(failure: Failure, write: bool) -> Problem {
    match failure {
        Failure::NeverRan => Problem::not_started(),
        _ if write => Problem::outcome_unknown(),
        Failure::DeadlineExceeded => Problem::first_of(&registry::DEADLINE_EXCEEDED),
        Failure::ResponseTooLarge | Failure::InvalidResponse => Problem::bad_gateway(),
        Failure::ConnectionLost | Failure::ServerStatus => Problem::first_of(&registry::UNAVAILABLE),
    }
}

/// The problem of a status that a backend sent.
pub(crate) fn from_backend_status(
    status: &Status,
    request: &RequestFacts,
    context: &ProblemContext,
) -> Problem {
    let code = status.code();
    let mut details = details::parse(status.details(), context);
    let info = details.info.take();
    let registered = info.as_ref().and_then(|info| registry::by_reason(&info.domain, &info.reason));
    let kind = registered.unwrap_or_else(|| registry::by_code(code));

    let mut problem = Problem::new(kind, kind.for_code(code));
    problem.body_mut().code = registry::code_name(code);
    if !masks_message(code) && !status.message().is_empty() {
        problem.body_mut().detail = truncated(status.message().to_owned());
    }
    if let Some(info) = info {
        apply_error_info(&mut problem, kind, info, context);
    }
    apply_details(&mut problem, details, request);
    problem
}

fn apply_error_info(
    problem: &mut Problem,
    kind: &ProblemType,
    mut info: ErrorInfo,
    context: &ProblemContext,
) {
    let replayed = if kind.marks_replay { info.metadata.remove(REPLAYED_KEY) } else { None };
    let metadata = registered_metadata(kind, info.metadata, context);
    if replayed.as_deref() == Some("true") {
        problem.insert_header(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(id) = metadata.get(ORDER_ID_KEY).and_then(|id| id.parse().ok()) {
        problem.set_order_id(id);
    }
    let body = problem.body_mut();
    body.reason = non_empty(truncated(info.reason));
    body.domain = non_empty(truncated(info.domain));
    body.metadata = metadata.into_iter().map(|(key, value)| (key, truncated(value))).collect();
}

/// Keeps the registered keys. A type found by its code registers none, so an unregistered reason shows none.
fn registered_metadata(
    kind: &ProblemType,
    mut metadata: HashMap<String, String>,
    context: &ProblemContext,
) -> HashMap<String, String> {
    metadata.retain(|key, _| {
        let registered = kind.metadata.contains(&key.as_str());
        if !registered {
            log_dropped(context, DropReason::UnregisteredMetadata, key);
        }
        registered
    });
    metadata
}

fn apply_details(problem: &mut Problem, details: Details, request: &RequestFacts) {
    if let Some(delay) = details.retry_after {
        problem.set_retry_after(delay);
    }
    for link in &details.links {
        if let Some(value) = links::header(&link.href) {
            problem.0.headers.append(header::LINK, value);
        }
    }
    apply_localized_message(problem, &details.localized, request);
    let body = problem.body_mut();
    body.set_errors(details.violations);
    if let Some(shape) = &request.shape {
        for violation in &mut body.errors {
            violation.pointer = pointer(&violation.field, shape);
        }
    }
    body.quota_violations = details.quota_violations;
    body.preconditions = details.preconditions;
    body.resource = details.resource;
    body.links = details.links;
    body.upstream_request_id = details.upstream_request_id;
}

/// A localized message is public by definition, also with a code whose message is masked.
fn apply_localized_message(problem: &mut Problem, messages: &[LocalizedMessage], request: &RequestFacts) {
    if messages.is_empty() {
        return;
    }
    problem.0.headers.append(header::VARY, HeaderValue::from_static("accept-language"));
    let Some(message) = language::best_match(messages, request.accept_language.as_ref()) else { return };
    let Ok(locale) = HeaderValue::from_str(&message.locale) else { return };
    problem.insert_header(header::CONTENT_LANGUAGE, locale);
    problem.body_mut().detail.clone_from(&message.message);
}

/// Logs one line: a warning where the client does not see the message, since only the log then has it.
fn log_cause(failure: Failure, status: &Status) {
    let (code, message) = (registry::code_name(status.code()), truncated(status.message().to_owned()));
    let causes = status.source().map(|cause| truncated(telemetry::chain(cause)));
    if failure == Failure::ServerStatus && !masks_message(status.code()) {
        tracing::debug!(?failure, code, ?message, causes, "a call to a backend failed");
    } else {
        tracing::warn!(?failure, code, ?message, causes, "a call to a backend failed");
    }
}
