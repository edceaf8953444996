//! Types of the gRPC codes, for statuses without a registered reason and for the gateway's own problems.
//!
//! The HTTP statuses are those of google/rpc/code.proto, except that CANCELLED becomes 503: 499 tells of a
//! client that went away, and one that reads an answer did not.

use http::StatusCode;
use tonic::Code;

use super::{Example, Key, ProblemType, answer, blank};

const fn of_code(slug: &'static str, code: Code, title: &'static str) -> ProblemType {
    blank(slug, Key::Code(code), title)
}

const MAY_HAVE_RUN: &str = "For an order, send the same request with the idempotency key from the header of this \
    answer: it cannot charge twice, and returns how the first one ended.";

/// The same of what should not happen: a fault may meet one request and not the next.
const REPORT_AND_REPEAT: &str = "Report it with `request_id`; the cause is in the logs. For an order, send the same request \
    with the idempotency key from the header of this answer, and never with a new one: it cannot charge twice, and returns how \
    the first one ended.";

/// A backend stopped working on the call.
pub const CANCELLED: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Cancelled,
        "The request was cancelled by the service that worked on it.",
    )],
    retryable: true,
    what_happened: "The service that worked on the request stopped before it had an answer. What it had done \
        by then is not known.",
    what_to_do: MAY_HAVE_RUN,
    ..of_code("cancelled", Code::Cancelled, "The request was cancelled")
};

/// A backend failed in a way that it cannot name.
pub const UNKNOWN: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unknown,
        "The service that worked on the request failed.",
    )],
    retryable: true,
    what_happened: "The service that worked on the request failed in a way that it does not name. What it had done \
        by then is not known.",
    what_to_do: REPORT_AND_REPEAT,
    ..of_code("unknown", Code::Unknown, "Unknown error")
};

/// The request is wrong, whatever the state of the system.
pub const INVALID_ARGUMENT: ProblemType = ProblemType {
    answers: &[
        answer(StatusCode::BAD_REQUEST, Code::InvalidArgument, "The request is invalid."),
        answer(
            StatusCode::NOT_ACCEPTABLE,
            Code::InvalidArgument,
            "No representation that Accept admits is offered here; application/json is.",
        ),
        answer(StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidArgument, "The body of the request is too large."),
        answer(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::InvalidArgument,
            "The body of the request must be application/json in UTF-8.",
        ),
    ],
    what_happened: "The request was refused because of what it holds, before anything was saved. `errors` names \
        every offending member: `field` by its name in the service's contract, `pointer` by its place in the body \
        (RFC 6901). Where a price list refuses an item, its `reason` is `PRICE_MISMATCH` (the list has another price) or \
        `NO_PRICE` (it has none for this product in this currency).",
    what_to_do: "Correct every member that `errors` names, and send the request again.",
    example: Example {
        errors: &[(
            "order_items[0].quantity",
            Some("#/order_items/0/quantity"),
            "must be from 1 to 1,000,000",
        )],
        ..Example::PLAIN
    },
    ..of_code("invalid-argument", Code::InvalidArgument, "The request is invalid")
};

/// Time ran out.
pub const DEADLINE_EXCEEDED: ProblemType = ProblemType {
    answers: &[
        answer(StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, "No answer came in time."),
        answer(
            StatusCode::REQUEST_TIMEOUT,
            Code::DeadlineExceeded,
            "The body of the request did not arrive in time; nothing was done.",
        ),
    ],
    retryable: true,
    what_happened: "504: the services had no answer within the time a request is given. 408: the body of the \
        request did not arrive in time, and nothing was done.",
    what_to_do: MAY_HAVE_RUN,
    ..of_code("deadline-exceeded", Code::DeadlineExceeded, "Time ran out")
};

/// There is nothing of that name.
pub const NOT_FOUND: ProblemType = ProblemType {
    answers: &[answer(StatusCode::NOT_FOUND, Code::NotFound, "There is nothing at this address.")],
    what_happened: "There is no such order, or no such path. An order of another customer is not found either.",
    what_to_do: "Check the address. An order's is in the `Location` header of the answer that placed it.",
    example: Example { detail: Some("there is no such order"), ..Example::PLAIN },
    ..of_code("not-found", Code::NotFound, "Not found")
};

/// What was to be made is there already.
pub const ALREADY_EXISTS: ProblemType = ProblemType {
    answers: &[answer(StatusCode::CONFLICT, Code::AlreadyExists, "What was to be made exists already.")],
    what_happened: "What the request was to make exists already; it was left as it is.",
    what_to_do: "Read what is there, and decide whether it is what was meant.",
    ..of_code("already-exists", Code::AlreadyExists, "It exists already")
};

/// The caller is known and may not do this.
pub const PERMISSION_DENIED: ProblemType = ProblemType {
    answers: &[answer(StatusCode::FORBIDDEN, Code::PermissionDenied, "The caller may not do this.")],
    what_happened: "The caller is known, and may not do what the request asks for, which is to order as another user \
        or to list that user's orders, for instance; `errors` names the member. Nothing was done.",
    what_to_do: "Ask for what is the caller's own: `user_id` is the `sub` of the access token. Sending the same again \
        does not help.",
    example: Example {
        errors: &[("user_id", Some("#/user_id"), "is not the user of the access token")],
        ..Example::PLAIN
    },
    ..of_code("permission-denied", Code::PermissionDenied, "Permission denied")
};

/// A quota or a resource is used up.
pub const RESOURCE_EXHAUSTED: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::TOO_MANY_REQUESTS,
        Code::ResourceExhausted,
        "A limit on requests or resources was reached.",
    )],
    retryable: true,
    what_happened: "A limit on requests or resources was reached; `quota_violations` says which, where it is known.",
    what_to_do: "Send less, and wait as long as `Retry-After` says, or for a while that grows with every attempt.",
    ..of_code("resource-exhausted", Code::ResourceExhausted, "A limit was reached")
};

/// The state of the system does not allow it.
pub const FAILED_PRECONDITION: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::BAD_REQUEST,
        Code::FailedPrecondition,
        "The state of the system does not allow this request.",
    )],
    what_happened: "The request is well formed, and the state of what it is about does not allow it; \
        `preconditions` says what had to hold, where it is known.",
    what_to_do: "Change that state first. Sending the same again does not help.",
    ..of_code("failed-precondition", Code::FailedPrecondition, "A precondition does not hold")
};

/// Another request came in between.
pub const ABORTED: ProblemType = ProblemType {
    answers: &[answer(StatusCode::CONFLICT, Code::Aborted, "Another request came in between.")],
    retryable: true,
    what_happened: "Another request changed the same thing at the same time, and this one gave way.",
    what_to_do: "Send the same request with the same idempotency key again.",
    ..of_code("aborted", Code::Aborted, "Another request came in between")
};

/// A value lies outside what is there.
pub const OUT_OF_RANGE: ProblemType = ProblemType {
    answers: &[answer(StatusCode::BAD_REQUEST, Code::OutOfRange, "A value lies outside of what is there.")],
    what_happened: "A value of the request lies outside of what there is now, or the request is too long for \
        the service.",
    what_to_do: "Correct the value. Sending the same again does not help.",
    ..of_code("out-of-range", Code::OutOfRange, "Out of range")
};

/// It is not offered.
pub const UNIMPLEMENTED: ProblemType = ProblemType {
    answers: &[
        answer(StatusCode::NOT_IMPLEMENTED, Code::Unimplemented, "The service does not offer this."),
        answer(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::Unimplemented,
            "This address does not take this method; the header Allow names those that it takes.",
        ),
    ],
    what_happened: "405: the address does not take this method; the header `Allow` names those that it takes. \
        501: the service behind it does not offer what was asked for.",
    what_to_do: "Use a method that `Allow` names. After a 501, ask for something that is offered.",
    ..of_code("unimplemented", Code::Unimplemented, "Not offered")
};

/// A fault on the side of the system.
pub const INTERNAL: ProblemType = ProblemType {
    answers: &[
        answer(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "The system failed."),
        answer(StatusCode::BAD_GATEWAY, Code::Internal, "A service answered in a way that cannot be used."),
    ],
    retryable: true,
    what_happened: "500: something in the system is broken. 502: a service behind the gateway answered in a \
        way that cannot be used, too much or in another language. What was done by then is not known.",
    what_to_do: REPORT_AND_REPEAT,
    ..of_code("internal", Code::Internal, "Internal error")
};

/// A backend cannot work now.
pub const UNAVAILABLE: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Unavailable,
        "A service is not available at the moment.",
    )],
    retryable: true,
    what_happened: "A service that the request needs is not available at the moment, or was lost while it \
        worked on it. What it had done by then is not known.",
    what_to_do: MAY_HAVE_RUN,
    ..of_code("unavailable", Code::Unavailable, "Not available at the moment")
};

/// Data were lost or damaged.
pub const DATA_LOSS: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::DataLoss,
        "Data that the request needs cannot be read.",
    )],
    what_happened: "Data that the request needs are lost or damaged.",
    what_to_do: "Report it with `request_id`; the cause is in the logs. Sending the same again does not help.",
    ..of_code("data-loss", Code::DataLoss, "Data were lost")
};

/// The caller is not known.
pub const UNAUTHENTICATED: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::UNAUTHORIZED,
        Code::Unauthenticated,
        "The request needs valid credentials.",
    )],
    what_happened: "The request has no access token, or one that is not good: expired, for somebody else, of an \
        issuer that is not trusted, or altered. Which of these is not told. Nothing was done.",
    what_to_do: "Send a fresh access token in the header `Authorization: Bearer`, as the header `WWW-Authenticate` \
        asks for.",
    ..of_code("unauthenticated", Code::Unauthenticated, "Not authenticated")
};
