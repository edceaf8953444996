//! From a failed call to a problem: the one table between gRPC and HTTP.

use std::{collections::HashMap, error::Error};

use grpc_client::Failure;
use http::{HeaderValue, header};
use service_kit::telemetry;
use tonic::{Code, Status};
use tonic_types::pb::{ErrorInfo, LocalizedMessage};

use super::{
    Problem, context,
    context::{ProblemContext, Why},
    details,
    details::{Details, cut, log_dropped, some},
    language, links, pointer,
    pointer::BodyShape,
    registry,
    registry::ProblemType,
};
use crate::header_names::IDEMPOTENT_REPLAYED;

/// Key of a reason's metadata that is `true` where the status repeats that of an earlier call.
const REPLAYED_KEY: &str = "replayed";
const ORDER_ID_KEY: &str = "order_id";

/// What the public asked for, as far as the answer to a failed call depends on it.
#[derive(Debug, Clone, Default)]
pub struct RequestFacts {
    /// Whether the call may change something: then a call that may have run has an unknown outcome.
    pub write: bool,
    /// What the request body held, where there was one.
    pub shape: Option<BodyShape>,
    /// The order that the request names.
    pub order_id: Option<i64>,
    /// The request's `Accept-Language`.
    pub accept_language: Option<HeaderValue>,
}

/// The problem that tells the public of a call through [`grpc_client::Channel`] that failed with `status`.
///
/// The cause is logged here, and nowhere else; what of it is private stays in the log. Must run within the
/// request's trace context and [`site`](super::within).
pub fn from_status(status: &Status, asked: &RequestFacts) -> Problem {
    let failure = match Failure::of(status) {
        // A backend that says that a call without an answer went well does not speak gRPC properly.
        Failure::ServerStatus if status.code() == Code::Ok => Failure::InvalidResponse,
        failure => failure,
    };
    log_cause(failure, status);
    let problem = match failure {
        Failure::ServerStatus => answered(status, asked, &context::current()),
        _ => on_this_side(failure, asked.write),
    };
    match asked.order_id {
        Some(id) if !problem.has_order_id() => problem.with_order_id(id),
        _ => problem,
    }
}

/// Whether messages with this code tell of the inside of a service rather than of the request.
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

/// Nothing that the status says is shown: it was raised by the transport, and speaks of addresses and sockets.
pub(super) fn on_this_side(failure: Failure, write: bool) -> Problem {
    match failure {
        Failure::NeverRan => Problem::not_started(),
        _ if write => Problem::outcome_unknown(),
        Failure::DeadlineExceeded => Problem::first_of(&registry::DEADLINE_EXCEEDED),
        Failure::ResponseTooLarge | Failure::InvalidResponse => Problem::bad_gateway(),
        Failure::ConnectionLost | Failure::ServerStatus => Problem::first_of(&registry::UNAVAILABLE),
    }
}

pub(super) fn answered(status: &Status, asked: &RequestFacts, site: &ProblemContext) -> Problem {
    let code = status.code();
    let mut details = details::read(status.details(), site);
    let info = details.info.take();
    let registered = info.as_ref().and_then(|info| registry::by_reason(&info.domain, &info.reason));
    let kind = registered.unwrap_or_else(|| registry::by_code(code));

    let mut problem = Problem::of(kind, kind.answer_to(code));
    problem.body_mut().code = registry::code_name(code);
    if !masks_message(code) && !status.message().is_empty() {
        problem.body_mut().detail = cut(status.message().to_owned());
    }
    if let Some(info) = info {
        tell_reason(&mut problem, kind, info, site);
    }
    tell_details(&mut problem, details, asked);
    problem
}

fn tell_reason(problem: &mut Problem, kind: &ProblemType, mut info: ErrorInfo, site: &ProblemContext) {
    let replayed = if kind.marks_replay { info.metadata.remove(REPLAYED_KEY) } else { None };
    let metadata = registered_metadata(kind, info.metadata, site);
    if replayed.as_deref() == Some("true") {
        problem.insert_header(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(id) = metadata.get(ORDER_ID_KEY).and_then(|id| id.parse().ok()) {
        problem.set_order_id(id);
    }
    let body = problem.body_mut();
    body.reason = some(cut(info.reason));
    body.domain = some(cut(info.domain));
    body.metadata = metadata.into_iter().map(|(key, value)| (key, cut(value))).collect();
}

/// A type found by its code registers no keys, so a reason that nobody registered shows none.
fn registered_metadata(
    kind: &ProblemType,
    mut metadata: HashMap<String, String>,
    site: &ProblemContext,
) -> HashMap<String, String> {
    metadata.retain(|key, _| {
        let registered = kind.metadata.contains(&key.as_str());
        if !registered {
            log_dropped(site, Why::UnregisteredMetadata, key);
        }
        registered
    });
    metadata
}

fn tell_details(problem: &mut Problem, details: Details, asked: &RequestFacts) {
    if let Some(delay) = details.retry_after {
        problem.set_retry_after(delay);
    }
    for link in &details.links {
        if let Some(value) = links::header(&link.href) {
            problem.append_header(header::LINK, value);
        }
    }
    tell_localized(problem, &details.localized, asked);
    let body = problem.body_mut();
    body.errors = details.violations;
    if let Some(shape) = &asked.shape {
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

/// A localized message is safe for the public by its definition, also with a code whose message is not.
fn tell_localized(problem: &mut Problem, messages: &[LocalizedMessage], asked: &RequestFacts) {
    if messages.is_empty() {
        return;
    }
    problem.append_header(header::VARY, HeaderValue::from_static("accept-language"));
    let Some(message) = language::choose(messages, asked.accept_language.as_ref()) else { return };
    let Ok(locale) = HeaderValue::from_str(&message.locale) else { return };
    problem.insert_header(header::CONTENT_LANGUAGE, locale);
    problem.body_mut().detail.clone_from(&message.message);
}

/// One line with all that is known of the cause: a warning where the public is not told, since this is then
/// the only place to find it.
fn log_cause(failure: Failure, status: &Status) {
    let (code, said) = (registry::code_name(status.code()), cut(status.message().to_owned()));
    let causes = status.source().map(|cause| cut(telemetry::chain(cause)));
    if failure == Failure::ServerStatus && !masks_message(status.code()) {
        tracing::debug!(?failure, code, ?said, causes, "a call to a backend failed");
    } else {
        tracing::warn!(?failure, code, ?said, causes, "a call to a backend failed");
    }
}
