//! Failed requests as `application/problem+json` (RFC 9457), for failures of the gateway and of backends
//! alike.
//!
//! - [`registry`]: every problem type, by a backend's reason or code
//! - [`from_status`]: maps a failed call to a problem and logs its cause
//! - [`Problem`]: one occurrence; its constructors make the gateway's own problems
//! - [`example()`]: an example of each type, for the OpenAPI document and the pages
//! - [`pages`]: the HTML page of each type
//!
//! A problem takes its ids from the request's trace context (`service_kit::trace`), and the public address
//! and the counters from the gateway's [`ProblemContext`]; [`scope`] sets the latter for a future.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

mod body;
mod context;
mod details;
mod example;
mod language;
mod links;
mod mapping;
pub mod pages;
mod pointer;
mod prerendered;
pub mod registry;
mod render;
#[cfg(test)]
mod tests;

pub use body::{Body, Link, Precondition, QuotaViolation, Resource, Violation};
pub use context::{ProblemContext, scope};
pub use example::example;
#[cfg(fuzzing)]
pub(crate) use mapping::from_backend_status;
pub use mapping::{RequestFacts, from_status};
pub use pointer::{BodyShape, pointer};
pub(crate) use prerendered::PrerenderedProblem;
pub use registry::ProblemType;
pub use render::CONTENT_TYPE;

use crate::limits;
use registry::{GATEWAY_DOMAIN, ProblemStatus};

/// The challenge of a request without a token, and of a backend's UNAUTHENTICATED, whose own challenge
/// addresses the gateway. It has an auth-param and no error code (RFC 6750, sections 3 and 3.1).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"orders\"");
/// The challenge of an invalid token (RFC 6750, section 3.1).
const CHALLENGE_INVALID_TOKEN: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"orders\", error=\"invalid_token\"");

/// One problem.
#[derive(Debug, Clone)]
#[must_use]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: &'static ProblemType,
    status: StatusCode,
    /// Lacks the members that [`Body::set_request`] fills in.
    body: Body,
    headers: HeaderMap,
}

/// The gateway's own problems, with the registry's texts.
impl Problem {
    /// 404: nothing exists at this address.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::first_of(&registry::NOT_FOUND).with_detail(detail)
    }

    /// 405; `allow` becomes the header of that name.
    pub fn method_not_allowed(allow: &str) -> Self {
        let problem = Self::with_status(&registry::UNIMPLEMENTED, StatusCode::METHOD_NOT_ALLOWED);
        match HeaderValue::from_str(allow) {
            Ok(allow) => problem.with_header(header::ALLOW, allow),
            Err(_) => problem,
        }
    }

    /// 406: `Accept` admits no media type that the gateway offers.
    pub fn not_acceptable() -> Self {
        Self::with_status(&registry::INVALID_ARGUMENT, StatusCode::NOT_ACCEPTABLE)
    }

    /// 412: a precondition in the headers is false. The method was not performed.
    pub fn precondition_failed() -> Self {
        Self::with_status(&registry::FAILED_PRECONDITION, StatusCode::PRECONDITION_FAILED)
    }

    /// 414: the request target is too long.
    pub fn uri_too_long() -> Self {
        Self::with_status(&registry::INVALID_ARGUMENT, StatusCode::URI_TOO_LONG)
    }

    /// 501: no resource has this method.
    pub fn method_not_implemented() -> Self {
        Self::with_status(&registry::UNIMPLEMENTED, StatusCode::NOT_IMPLEMENTED)
            .with_detail("The server does not know the method of the request.")
    }

    /// 501: the body has a transfer coding other than `chunked` (RFC 9112, section 6.1).
    pub fn transfer_coding_not_implemented() -> Self {
        Self::with_status(&registry::UNIMPLEMENTED, StatusCode::NOT_IMPLEMENTED)
            .with_detail("The server knows no transfer coding but chunked.")
    }

    /// 415: the body is not JSON.
    pub fn unsupported_media_type() -> Self {
        Self::with_status(&registry::INVALID_ARGUMENT, StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    /// 413: the body is too large.
    pub fn payload_too_large() -> Self {
        Self::with_status(&registry::INVALID_ARGUMENT, StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// 408: the body did not arrive in time.
    pub fn body_timeout() -> Self {
        Self::with_status(&registry::DEADLINE_EXCEEDED, StatusCode::REQUEST_TIMEOUT)
    }

    /// 400 with `violations`, the first [`VIOLATIONS_MAX`](limits::VIOLATIONS_MAX) of them.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let mut problem = Self::first_of(&registry::INVALID_ARGUMENT);
        problem.body_mut().set_errors(violations);
        problem
    }

    /// 401 with the challenge of a request without a token.
    pub fn unauthenticated() -> Self {
        Self::first_of(&registry::UNAUTHENTICATED)
    }

    /// 401 with the challenge of an invalid token. The caller logs the reason.
    pub fn invalid_token() -> Self {
        Self::unauthenticated().with_header(header::WWW_AUTHENTICATE, CHALLENGE_INVALID_TOKEN)
    }

    /// 403: the token is valid and lacks `scope` (RFC 6750, section 3.1).
    pub fn insufficient_scope(scope: &'static str) -> Self {
        let problem = Self::first_of(&registry::INSUFFICIENT_SCOPE);
        let challenge = format!("Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"{scope}\"");
        // A scope is a word, so this cannot fail.
        let challenge = HeaderValue::try_from(challenge).unwrap_or(CHALLENGE);
        problem.with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 403: `violation` names the member that belongs to another user.
    pub fn permission_denied(violation: Violation) -> Self {
        let mut problem = Self::first_of(&registry::PERMISSION_DENIED);
        problem.body_mut().errors = vec![violation];
        problem
    }

    /// 500: the gateway failed, by a panic for instance. The caller logs the cause.
    pub fn internal() -> Self {
        Self::first_of(&registry::INTERNAL)
    }

    /// 502: a backend's response to a read is unusable. The caller logs the cause.
    pub fn bad_gateway() -> Self {
        Self::with_status(&registry::INTERNAL, StatusCode::BAD_GATEWAY)
    }

    /// 503 NOT_STARTED: the gateway rejected the request, or could not send it, before it had any effect.
    pub fn not_started() -> Self {
        Self::first_of(&registry::NOT_STARTED)
    }

    /// 429 NOT_STARTED: the client exceeded a rate limit, which admits another request after `wait`.
    pub fn too_many_requests(exceeded: QuotaViolation, wait: Duration) -> Self {
        let mut problem = Self::with_status(&registry::NOT_STARTED, StatusCode::TOO_MANY_REQUESTS)
            .with_detail("The client exceeded a rate limit. This request was not started.");
        problem.body_mut().quota_violations.push(exceeded);
        problem.set_retry_after(wait);
        problem
    }

    /// 504 OUTCOME_UNKNOWN: a write may have run, and no usable response arrived. The caller logs the cause.
    pub fn outcome_unknown() -> Self {
        Self::first_of(&registry::OUTCOME_UNKNOWN)
    }

    /// Sets `order_id`. An invalid id is left out.
    pub fn with_order_id(mut self, order_id: i64) -> Self {
        self.set_order_id(order_id);
        self
    }

    /// Replaces `detail`. The text is public and must not contain a cause.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.body.detail = detail.into().into_owned();
        self
    }

    /// Sets a header of the response.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.insert_header(name, value);
        self
    }
}

impl Problem {
    /// The problem type.
    pub fn kind(&self) -> &'static ProblemType {
        self.0.kind
    }

    /// The HTTP status of the response.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    fn first_of(kind: &'static ProblemType) -> Self {
        Self::of_gateway(kind, &kind.statuses[0])
    }

    fn with_status(kind: &'static ProblemType, status: StatusCode) -> Self {
        Self::of_gateway(kind, kind.for_status(status))
    }

    /// A problem whose reason, if its type has one, comes from the gateway.
    fn of_gateway(kind: &'static ProblemType, status: &'static ProblemStatus) -> Self {
        let mut problem = Self::new(kind, status);
        if let Some(reason) = kind.reason() {
            problem.0.body.reason = Some(reason.to_owned());
            problem.0.body.domain = Some(GATEWAY_DOMAIN.to_owned());
        }
        problem
    }

    fn new(kind: &'static ProblemType, status: &'static ProblemStatus) -> Self {
        let body = Body::new(kind, status);
        let mut problem =
            Self(Box::new(Parts { kind, status: status.http, body, headers: HeaderMap::new() }));
        if status.retry_after {
            problem.set_retry_after(registry::RETRY_AFTER_DEFAULT);
        }
        if status.http == StatusCode::UNAUTHORIZED {
            problem.insert_header(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        problem
    }

    /// Rounds up, so that no client retries too early. Never sets 0, which some clients take for an endless
    /// retry without a pause.
    fn set_retry_after(&mut self, delay: Duration) {
        let ms = u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        self.0.body.retry_after_ms = Some(ms);
        self.insert_header(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
    }

    fn set_order_id(&mut self, order_id: i64) {
        if limits::ORDER_ID.contains(&order_id) {
            self.0.body.order_id = Some(order_id);
        }
    }

    fn insert_header(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.headers.insert(name, value);
    }

    fn body_mut(&mut self) -> &mut Body {
        &mut self.0.body
    }
}
