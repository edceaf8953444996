//! Names of gRPC status codes.

use tonic::Code;

pub(crate) const CODE_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The name of `code` as in gRPC's `statuscodes.md`, for instance `NOT_FOUND`.
pub fn code_name(code: Code) -> &'static str {
    let number = usize::try_from(i32::from(code)).ok();
    number.and_then(|number| CODE_NAMES.get(number)).copied().unwrap_or("UNKNOWN")
}
