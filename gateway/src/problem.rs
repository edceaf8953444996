//! What the public is told when something fails: `application/problem+json` (RFC 9457), whoever failed.
//!
//! - [`registry`]: every problem type there is, by a backend's reason or code
//! - [`from_status`]: the one mapping from a failed call to a problem; it logs the cause
//! - [`Problem`]: one occurrence; the gateway's own are made by its constructors
//! - [`example()`]: what problems of a type look like, for the OpenAPI document and the pages
//! - [`pages`]: what each type means, for people
//!
//! Problems arise within a request's trace context (`service_kit::trace`), which names them, and [`within`] a
//! [`ProblemContext`], which knows the public address of the gateway and counts what is kept from the public.

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
pub use mapping::{RequestFacts, from_status};
pub use pointer::{BodyShape, pointer};
pub(crate) use prerendered::PrerenderedProblem;
pub use registry::ProblemType;
pub use render::CONTENT_TYPE;

use crate::limits;
use registry::{Answer, GATEWAY_DOMAIN};

/// The one challenge there is; what a backend says of credentials is for the gateway, not for its clients.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");

/// One problem, to be answered with.
#[derive(Debug, Clone)]
#[must_use]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: &'static ProblemType,
    status: StatusCode,
    /// Complete but for what the request's context says.
    body: Body,
    headers: HeaderMap,
}

/// The gateway's own problems, with the texts of the registry.
impl Problem {
    /// 404: there is nothing at this address; `detail` says what was looked for.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::first_of(&registry::NOT_FOUND).with_detail(detail)
    }

    /// 405: the address takes only the methods that `allow` lists, as in the header of that name.
    pub fn method_not_allowed(allow: &str) -> Self {
        let problem = Self::with_status(&registry::UNIMPLEMENTED, StatusCode::METHOD_NOT_ALLOWED);
        match HeaderValue::from_str(allow) {
            Ok(allow) => problem.with_header(header::ALLOW, allow),
            Err(_) => problem,
        }
    }

    /// 406: nothing that `Accept` admits is offered.
    pub fn not_acceptable() -> Self {
        Self::with_status(&registry::INVALID_ARGUMENT, StatusCode::NOT_ACCEPTABLE)
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

    /// 400: everything in `violations` is wrong with the request.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let mut problem = Self::first_of(&registry::INVALID_ARGUMENT);
        problem.body_mut().errors = violations;
        problem
    }

    /// 401: the request has no token, or none that is good; `WWW-Authenticate` asks for one. Whoever makes it about a
    /// token that was sent has logged why, and adds to the challenge.
    pub fn unauthenticated() -> Self {
        Self::first_of(&registry::UNAUTHENTICATED)
    }

    /// 403: the token is good, and does not permit `scope` (RFC 6750, section 3.1).
    pub fn insufficient_scope(scope: &'static str) -> Self {
        let problem = Self::first_of(&registry::INSUFFICIENT_SCOPE);
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        // A scope is a word.
        let challenge = HeaderValue::try_from(challenge).unwrap_or(CHALLENGE);
        problem.with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 403: `violation` names what is another user's.
    pub fn permission_denied(violation: Violation) -> Self {
        let mut problem = Self::first_of(&registry::PERMISSION_DENIED);
        problem.body_mut().errors = vec![violation];
        problem
    }

    /// 500: the gateway itself failed, a panic for instance. Whoever makes it has logged why.
    pub fn internal() -> Self {
        Self::first_of(&registry::INTERNAL)
    }

    /// 502: a backend's answer to a read cannot be used. Whoever makes it has logged why.
    pub fn bad_gateway() -> Self {
        Self::with_status(&registry::INTERNAL, StatusCode::BAD_GATEWAY)
    }

    /// 503 NOT_STARTED: the gateway refused the request, or could not send it, before anything was done.
    pub fn not_started() -> Self {
        Self::first_of(&registry::NOT_STARTED)
    }

    /// 429 NOT_STARTED: the client has made more requests than `exceeded` allows; one may be let through after `wait`.
    pub fn too_many_requests(exceeded: QuotaViolation, wait: Duration) -> Self {
        let mut problem = Self::with_status(&registry::NOT_STARTED, StatusCode::TOO_MANY_REQUESTS)
            .with_detail("More requests were made than are allowed. This one was not begun.");
        problem.body_mut().quota_violations.push(exceeded);
        problem.set_retry_after(wait);
        problem
    }

    /// 504 OUTCOME_UNKNOWN: a write may have run, and no usable answer came. Whoever makes it has logged why.
    pub fn outcome_unknown() -> Self {
        Self::first_of(&registry::OUTCOME_UNKNOWN)
    }

    /// Names the order that the problem is about. An id that cannot be one is left out.
    pub fn with_order_id(mut self, order_id: i64) -> Self {
        self.set_order_id(order_id);
        self
    }

    /// Says more exactly what happened. The text is public: it holds nothing of a cause.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.body.detail = detail.into().into_owned();
        self
    }

    /// Adds a header to the answer, in place of one of the same name.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.insert_header(name, value);
        self
    }
}

impl Problem {
    /// What kind of problem it is.
    pub fn kind(&self) -> &'static ProblemType {
        self.0.kind
    }

    /// The HTTP status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    fn first_of(kind: &'static ProblemType) -> Self {
        Self::own(kind, &kind.answers[0])
    }

    fn with_status(kind: &'static ProblemType, status: StatusCode) -> Self {
        Self::own(kind, kind.answer_with(status))
    }

    /// A problem that the gateway found, and gives the reason for.
    fn own(kind: &'static ProblemType, answer: &'static Answer) -> Self {
        let mut problem = Self::of(kind, answer);
        if let Some(reason) = kind.reason() {
            problem.0.body.reason = Some(reason.to_owned());
            problem.0.body.domain = Some(GATEWAY_DOMAIN.to_owned());
        }
        problem
    }

    /// What every problem of a kind has.
    fn of(kind: &'static ProblemType, answer: &'static Answer) -> Self {
        let body = Body::new(kind, answer);
        let mut problem =
            Self(Box::new(Parts { kind, status: answer.status, body, headers: HeaderMap::new() }));
        if kind.retry_after {
            problem.set_retry_after(registry::RETRY_AFTER_DEFAULT);
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            problem.insert_header(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        problem
    }

    /// Rounded up, so that nobody comes too early; never 0, which some clients take for "at once, for ever".
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

    fn has_order_id(&self) -> bool {
        self.0.body.order_id.is_some()
    }

    fn insert_header(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.headers.insert(name, value);
    }

    fn append_header(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.headers.append(name, value);
    }

    fn body_mut(&mut self) -> &mut Body {
        &mut self.0.body
    }
}

/// What is made of a status that a backend sent.
#[cfg(fuzzing)]
pub(crate) fn from_backend_status(
    status: &tonic::Status,
    asked: &RequestFacts,
    site: &ProblemContext,
) -> Problem {
    mapping::from_backend_status(status, asked, site)
}
