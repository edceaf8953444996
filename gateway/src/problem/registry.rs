//! Every problem type there is: the one source of the mapping, of the responses in the OpenAPI document
//! and of the pages under `/problems/`.
//!
//! A backend's failure is looked up by the domain and reason of its `google.rpc.ErrorInfo` first
//! ([`by_reason`]), else by its code ([`by_code`]). The gateway's own problems name their type directly.

use std::time::Duration;

use http::StatusCode;
use tonic::Code;

mod codes;
mod gateway_reasons;
mod order_reasons;

pub use codes::*;
pub use gateway_reasons::*;
pub use order_reasons::*;

/// The domain that the Order service gives its reasons in.
pub const ORDER_DOMAIN: &str = "order";
/// The domain of reasons that the gateway itself gives, for failures on this side of the wire. They mean
/// what the Order service's reasons of the same names mean, and have the same problem types; those that it alone
/// gives have types of this domain. No backend speaks for the gateway: [`by_reason`] knows none of it.
pub const GATEWAY_DOMAIN: &str = "gateway";

/// How soon to try again where a type's answers say when and the backend did not.
pub const RETRY_AFTER_DEFAULT: Duration = service_kit::not_started::RETRY_AFTER;

/// What a backend's status is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A reason, unique within its domain (`google.rpc.ErrorInfo`).
    Reason {
        /// Which service gives the reason.
        domain: &'static str,
        /// UPPER_SNAKE_CASE.
        reason: &'static str,
    },
    /// The gRPC code, of a status without a registered reason.
    Code(Code),
}

/// One HTTP status that problems of a type are sent with.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The gRPC code that leads to this status. A backend's code that leads to none of a type's answers gets
    /// the first.
    pub code: Code,
    /// `detail` of a problem of the gateway's own, and of a backend's where its message may not be shown.
    pub detail: &'static str,
}

/// What an example of a type holds beyond what every problem holds.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// `detail` where it is not that of the answer.
    pub detail: Option<&'static str>,
    /// `order_id`
    pub order_id: Option<i64>,
    /// `errors`, each as field, pointer and detail.
    pub errors: &'static [(&'static str, Option<&'static str>, &'static str)],
    /// `metadata`
    pub metadata: &'static [(&'static str, &'static str)],
}

/// A kind of problem (RFC 9457, section 3.1.1), and all that is the same for every problem of the kind.
#[derive(Debug, Clone, Copy)]
pub struct ProblemType {
    /// Last segment of `type`: the key in kebab-case.
    pub slug: &'static str,
    /// Which failures of a backend are of this type.
    pub key: Key,
    /// `title`
    pub title: &'static str,
    /// Each HTTP status that problems of this type are sent with; never empty, the usual one first.
    pub answers: &'static [Answer],
    /// `retryable`: whether the same request with the same idempotency key may later succeed.
    pub retryable: bool,
    /// Whether every answer has `Retry-After`; where the backend sent no delay, [`RETRY_AFTER_DEFAULT`]. An
    /// answer of any other type has it where the backend sent a delay.
    pub retry_after: bool,
    /// Keys of `google.rpc.ErrorInfo.metadata` that callers may see. All others stay here.
    pub metadata: &'static [&'static str],
    /// Whether a backend says by `replayed: true` in the metadata that it repeats an earlier answer. The
    /// header `Idempotent-Replayed` tells of that, and the metadata does not.
    pub marks_replay: bool,
    /// What the page says happened.
    pub what_happened: &'static str,
    /// What the page says that a caller can do.
    pub what_to_do: &'static str,
    /// What the example of the first answer holds.
    pub example: Example,
}

/// Every type, the reasons first.
pub const TYPES: &[ProblemType] = &[
    PAYMENT_DECLINED,
    NOT_CHARGED,
    OUTCOME_UNKNOWN,
    IDEMPOTENCY_IN_PROGRESS,
    IDEMPOTENCY_KEY_REUSED,
    ORDER_VOIDED,
    NOT_STARTED,
    INSUFFICIENT_SCOPE,
    CANCELLED,
    UNKNOWN,
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
    UNAVAILABLE,
    DATA_LOSS,
    UNAUTHENTICATED,
];

/// The type registered for a backend's reason.
pub fn by_reason(domain: &str, reason: &str) -> Option<&'static ProblemType> {
    TYPES.iter().find(|kind| match kind.key {
        Key::Reason { domain: d, reason: r } => d == domain && r == reason && d != GATEWAY_DOMAIN,
        Key::Code(_) => false,
    })
}

/// The type of a backend's status without a registered reason. OK, which is no failure, counts as UNKNOWN.
pub fn by_code(code: Code) -> &'static ProblemType {
    TYPES.iter().find(|kind| kind.key == Key::Code(code)).unwrap_or(&UNKNOWN)
}

/// The type whose page is `/problems/{slug}`.
pub fn by_slug(slug: &str) -> Option<&'static ProblemType> {
    TYPES.iter().find(|kind| kind.slug == slug)
}

/// The name of a code in google/rpc/code.proto, INVALID_ARGUMENT for instance.
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
    /// The registered reason, of a type that has one.
    pub const fn reason(&self) -> Option<&'static str> {
        match self.key {
            Key::Reason { reason, .. } => Some(reason),
            Key::Code(_) => None,
        }
    }

    /// The answer to a backend's status with `code`: the first where none is named for it.
    pub fn answer_to(&self, code: Code) -> &'static Answer {
        self.answers.iter().find(|answer| answer.code == code).unwrap_or(&self.answers[0])
    }

    /// The answer with `status`, the first where there is none.
    pub fn answer_with(&self, status: StatusCode) -> &'static Answer {
        self.answers.iter().find(|answer| answer.status == status).unwrap_or(&self.answers[0])
    }
}

impl Example {
    const PLAIN: Self = Self { detail: None, order_id: None, errors: &[], metadata: &[] };
}

/// What most types have in common, to be completed.
const fn blank(slug: &'static str, key: Key, title: &'static str) -> ProblemType {
    ProblemType {
        slug,
        key,
        title,
        answers: &[],
        retryable: false,
        retry_after: false,
        metadata: &[],
        marks_replay: false,
        what_happened: "",
        what_to_do: "",
        example: Example::PLAIN,
    }
}

const fn answer(status: StatusCode, code: Code, detail: &'static str) -> Answer {
    Answer { status, code, detail }
}
