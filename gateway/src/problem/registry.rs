//! All problem types: the one source of the mapping, of the responses in the OpenAPI document and of the
//! pages under `/problems/`.
//!
//! The type of a backend's failure is found by the domain and reason of its `google.rpc.ErrorInfo`
//! ([`by_reason`]), NOT_STARTED by the reason alone, else by its code ([`by_code`]). The gateway's own
//! problems name their type directly.

use std::time::Duration;

use http::StatusCode;
use service_kit::not_started;
use tonic::Code;

mod codes;
mod gateway_reasons;
mod order_reasons;

pub use codes::*;
pub use gateway_reasons::*;
pub use order_reasons::*;

/// The domain of the Order service's reasons.
pub const ORDER_DOMAIN: &str = "order";
/// The domain of the gateway's own reasons. A reason that the Order service also has means the same and has
/// the same type; the others have types of this domain. [`by_reason`] ignores this domain, since no backend
/// may use it.
pub const GATEWAY_DOMAIN: &str = "gateway";

/// `Retry-After` of the statuses that always have one, where the backend sent no delay.
pub const RETRY_AFTER_DEFAULT: Duration = not_started::RETRY_AFTER;

/// What a type is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKey {
    /// A reason of `google.rpc.ErrorInfo`, unique within its domain.
    Reason {
        /// The service that the reason comes from.
        domain: &'static str,
        /// UPPER_SNAKE_CASE.
        reason: &'static str,
    },
    /// The gRPC code of a status without a registered reason.
    Code(Code),
}

/// One HTTP status of a problem type.
#[derive(Debug, Clone, Copy)]
pub struct ProblemStatus {
    /// The HTTP status.
    pub http: StatusCode,
    /// The gRPC code that maps to this status. Any other code maps to the first status of the type.
    pub code: Code,
    /// `detail` of the gateway's own problems, and of a backend's problem whose message is masked or empty.
    pub detail: &'static str,
    /// Whether every response has `Retry-After`, by default [`RETRY_AFTER_DEFAULT`]. Responses with other
    /// statuses have it only if the backend sent a delay.
    pub retry_after: bool,
}

impl ProblemStatus {
    /// The status with a `Retry-After` in every response.
    const fn with_retry_after(self) -> Self {
        Self { retry_after: true, ..self }
    }
}

/// The members of an example that its type does not determine.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// `detail`, if it differs from that of the status.
    pub detail: Option<&'static str>,
    /// `order_id`
    pub order_id: Option<i64>,
    /// `errors`, each as field, pointer and detail.
    pub errors: &'static [(&'static str, Option<&'static str>, &'static str)],
    /// `metadata`
    pub metadata: &'static [(&'static str, &'static str)],
}

/// A problem type (RFC 9457, section 3.1.1).
#[derive(Debug, Clone, Copy)]
pub struct ProblemType {
    /// The last segment of `type`: the key in kebab-case.
    pub slug: &'static str,
    /// The backend failures of this type.
    pub key: TypeKey,
    /// `title`
    pub title: &'static str,
    /// The HTTP statuses of this type, the most common one first; never empty.
    pub statuses: &'static [ProblemStatus],
    /// `retryable`: whether the same request with the same idempotency key may succeed later.
    pub retryable: bool,
    /// The public keys of `google.rpc.ErrorInfo.metadata`.
    pub metadata: &'static [&'static str],
    /// Whether `replayed: true` in the metadata marks a repeated response. It becomes the header
    /// `Idempotent-Replayed` and is not shown as metadata.
    pub marks_replay: bool,
    /// The text "What happened" of the page.
    pub what_happened: &'static str,
    /// The text "What to do" of the page.
    pub what_to_do: &'static str,
    /// The example of the first status.
    pub example: Example,
}

/// All types. Of the types that share an HTTP status, the most common one comes first: the OpenAPI document
/// keeps this order.
pub const TYPES: &[ProblemType] = &[
    PAYMENT_DECLINED,
    NOT_CHARGED,
    OUTCOME_UNKNOWN,
    IDEMPOTENCY_IN_PROGRESS,
    IDEMPOTENCY_KEY_REUSED,
    ORDER_VOIDED,
    NOT_STARTED,
    INSUFFICIENT_SCOPE,
    INVALID_ARGUMENT,
    DEADLINE_EXCEEDED,
    NOT_FOUND,
    ALREADY_EXISTS,
    PERMISSION_DENIED,
    RESOURCE_EXHAUSTED,
    FAILED_PRECONDITION,
    ABORTED,
    OUT_OF_RANGE,
    UNIMPLEMENTED,
    INTERNAL,
    NOT_STORED,
    UNAVAILABLE,
    CANCELLED,
    UNKNOWN,
    DATA_LOSS,
    UNAUTHENTICATED,
];

/// The type of a backend's reason. NOT_STARTED is that of every backend, as in
/// [`is_not_started`](service_kit::not_started::is_not_started), by which calls are sent again.
pub fn by_reason(domain: &str, reason: &str) -> Option<&'static ProblemType> {
    if reason == not_started::NOT_STARTED {
        return Some(&NOT_STARTED);
    }
    TYPES.iter().find(|kind| match kind.key {
        TypeKey::Reason { domain: d, reason: r } => d == domain && r == reason && d != GATEWAY_DOMAIN,
        TypeKey::Code(_) => false,
    })
}

/// The type of a backend's status without a registered reason. OK counts as UNKNOWN.
pub fn by_code(code: Code) -> &'static ProblemType {
    TYPES.iter().find(|kind| kind.key == TypeKey::Code(code)).unwrap_or(&UNKNOWN)
}

/// The type of the page `/problems/{slug}`.
pub fn by_slug(slug: &str) -> Option<&'static ProblemType> {
    TYPES.iter().find(|kind| kind.slug == slug)
}

/// The name of a code in google/rpc/code.proto, such as INVALID_ARGUMENT.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

impl ProblemType {
    /// The reason, for a type of a reason.
    pub const fn reason(&self) -> Option<&'static str> {
        match self.key {
            TypeKey::Reason { reason, .. } => Some(reason),
            TypeKey::Code(_) => None,
        }
    }

    /// The status of a backend's `code`, by default the first one.
    pub fn for_code(&self, code: Code) -> &'static ProblemStatus {
        self.statuses.iter().find(|status| status.code == code).unwrap_or(&self.statuses[0])
    }

    /// The status with the HTTP status `http`, by default the first one.
    pub fn for_status(&self, http: StatusCode) -> &'static ProblemStatus {
        self.statuses.iter().find(|status| status.http == http).unwrap_or(&self.statuses[0])
    }
}

impl Example {
    const PLAIN: Self = Self { detail: None, order_id: None, errors: &[], metadata: &[] };
}

/// A type with the defaults, to be completed by struct update syntax.
const fn blank(slug: &'static str, key: TypeKey, title: &'static str) -> ProblemType {
    ProblemType {
        slug,
        key,
        title,
        statuses: &[],
        retryable: false,
        metadata: &[],
        marks_replay: false,
        what_happened: "",
        what_to_do: "",
        example: Example::PLAIN,
    }
}

const fn status(http: StatusCode, code: Code, detail: &'static str) -> ProblemStatus {
    ProblemStatus { http, code, detail, retry_after: false }
}
