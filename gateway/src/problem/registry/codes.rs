//! Types of the gRPC codes, for statuses without a registered reason and for the gateway's own problems.
//!
//! The HTTP statuses are those of google/rpc/code.proto, except for CANCELLED, which maps to 503: 499 means
//! that the client disconnected, and a client that reads the response did not.

use http::StatusCode;
use tonic::Code;

use super::{Example, ProblemType, TypeKey, blank, status};

const fn of_code(slug: &'static str, code: Code, title: &'static str) -> ProblemType {
    blank(slug, TypeKey::Code(code), title)
}

const REPEAT: &str = "If the request places an order, send it again with the idempotency key from the header \
    of this response. It cannot charge twice, and it returns the outcome of the first request.";

/// For failures that an operator must fix, although the next request may succeed.
const REPORT_AND_REPEAT: &str = "Report the problem with its `request_id`; the cause is in the logs. If the \
    request places an order, send it again with the idempotency key from the header of this response, never \
    with a new key. It cannot charge twice, and it returns the outcome of the first request.";

/// A backend cancelled the call.
pub const CANCELLED: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Cancelled,
        "The service that handled the request cancelled it.",
    )],
    retryable: true,
    what_happened: "The service that handled the request cancelled it. It is not known what the service did \
        before.",
    what_to_do: REPEAT,
    ..of_code("cancelled", Code::Cancelled, "The request was cancelled")
};

/// A backend failed without naming the cause.
pub const UNKNOWN: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unknown,
        "The service that handled the request failed.",
    )],
    retryable: true,
    what_happened: "The service that handled the request failed without naming the cause. It is not known \
        what the service did before.",
    what_to_do: REPORT_AND_REPEAT,
    ..of_code("unknown", Code::Unknown, "Unknown error")
};

/// The request is invalid, whatever the state of the system.
pub const INVALID_ARGUMENT: ProblemType = ProblemType {
    statuses: &[
        status(StatusCode::BAD_REQUEST, Code::InvalidArgument, "The request is invalid."),
        status(
            StatusCode::NOT_ACCEPTABLE,
            Code::InvalidArgument,
            "The header Accept must admit application/json.",
        ),
        status(
            StatusCode::URI_TOO_LONG,
            Code::InvalidArgument,
            "The path and the query of the request are too long.",
        ),
        status(StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidArgument, "The body of the request is too large."),
        status(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::InvalidArgument,
            "The body of the request must be application/json without Content-Encoding.",
        ),
    ],
    what_happened: "The request is invalid. It was rejected before anything was saved. `errors` names every \
        invalid member: `field` is its path in the service's contract, `pointer` its JSON pointer in the \
        body (RFC 6901). If a price list rejects an item, `reason` is `PRICE_MISMATCH` (the list has another \
        price) or `NO_PRICE` (the list has no price for this product in this currency).",
    what_to_do: "Correct every member that `errors` names and send the request again.",
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

/// The deadline passed.
pub const DEADLINE_EXCEEDED: ProblemType = ProblemType {
    statuses: &[
        status(StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, "The services did not respond in time.")
            .with_retry_after(),
        status(
            StatusCode::REQUEST_TIMEOUT,
            Code::DeadlineExceeded,
            "The body of the request did not arrive in time; the request had no effect.",
        ),
    ],
    retryable: true,
    what_happened: "504: the services did not respond before the deadline of the request. 408: the body of \
        the request did not arrive in time; the request had no effect.",
    what_to_do: REPEAT,
    ..of_code("deadline-exceeded", Code::DeadlineExceeded, "Time ran out")
};

/// The resource does not exist.
pub const NOT_FOUND: ProblemType = ProblemType {
    statuses: &[status(StatusCode::NOT_FOUND, Code::NotFound, "Nothing exists at this address.")],
    what_happened: "The order or the path does not exist. An order of another customer counts as not found.",
    what_to_do: "Check the address. The response that placed an order has the order's address in the header \
        `Location`.",
    example: Example { detail: Some("there is no such order"), ..Example::PLAIN },
    ..of_code("not-found", Code::NotFound, "Not found")
};

/// The resource to create exists.
pub const ALREADY_EXISTS: ProblemType = ProblemType {
    statuses: &[status(StatusCode::CONFLICT, Code::AlreadyExists, "The resource to create already exists.")],
    what_happened: "The resource that the request should create already exists. It is unchanged.",
    what_to_do: "Read the existing resource and decide whether it is the intended one.",
    ..of_code("already-exists", Code::AlreadyExists, "It exists already")
};

/// The client is authenticated and lacks permission.
pub const PERMISSION_DENIED: ProblemType = ProblemType {
    statuses: &[status(StatusCode::FORBIDDEN, Code::PermissionDenied, "The client may not do this.")],
    what_happened: "The client is authenticated, but it may not do this, for example place an order as \
        another user or list that user's orders. `errors` names the member. The request had no effect.",
    what_to_do: "Set `user_id` to the `sub` of the access token. Repeating the same request does not help.",
    example: Example {
        errors: &[("user_id", Some("#/user_id"), "is not the user of the access token")],
        ..Example::PLAIN
    },
    ..of_code("permission-denied", Code::PermissionDenied, "Permission denied")
};

/// A quota or a resource is exhausted.
pub const RESOURCE_EXHAUSTED: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::TOO_MANY_REQUESTS,
        Code::ResourceExhausted,
        "A limit on requests or resources was reached.",
    )],
    retryable: true,
    what_happened: "A limit on requests or resources was reached. `quota_violations` names the limit, if it \
        is known.",
    what_to_do: "Send fewer requests. Wait for the time in `Retry-After`, or back off exponentially.",
    ..of_code("resource-exhausted", Code::ResourceExhausted, "A limit was reached")
};

/// The state of the system does not allow the request.
pub const FAILED_PRECONDITION: ProblemType = ProblemType {
    statuses: &[
        status(
            StatusCode::BAD_REQUEST,
            Code::FailedPrecondition,
            "The state of the system does not allow this request.",
        ),
        status(
            StatusCode::PRECONDITION_FAILED,
            Code::FailedPrecondition,
            "A precondition in the headers of the request is false.",
        ),
    ],
    what_happened: "400: the request is valid, but the state of its resource does not allow it. \
        `preconditions` names the required state, if it is known. 412: a precondition in the headers is \
        false, and the request had no effect. Entity tags of this API are weak, so that `If-Match` holds \
        with `*` only. `If-None-Match: *` never holds for a request that places an order.",
    what_to_do: "After a 400, change that state first. After a 412, remove `If-Match` or `If-None-Match`. \
        Repeating the same request does not help.",
    ..of_code("failed-precondition", Code::FailedPrecondition, "A precondition does not hold")
};

/// A concurrent request conflicted.
pub const ABORTED: ProblemType = ProblemType {
    statuses: &[status(StatusCode::CONFLICT, Code::Aborted, "Another request came in between.")],
    retryable: true,
    what_happened: "A concurrent request changed the same resource, and this request was aborted.",
    what_to_do: "Send the same request with the same idempotency key again.",
    ..of_code("aborted", Code::Aborted, "Another request came in between")
};

/// A value exceeds a valid range.
pub const OUT_OF_RANGE: ProblemType = ProblemType {
    statuses: &[status(StatusCode::BAD_REQUEST, Code::OutOfRange, "A value is outside the valid range.")],
    what_happened: "A value of the request is outside the range that exists now, or the request is too large \
        for the service.",
    what_to_do: "Correct the value. Repeating the same request does not help.",
    ..of_code("out-of-range", Code::OutOfRange, "Out of range")
};

/// The operation is not supported.
pub const UNIMPLEMENTED: ProblemType = ProblemType {
    statuses: &[
        status(
            StatusCode::NOT_IMPLEMENTED,
            Code::Unimplemented,
            "The service does not support this operation.",
        ),
        status(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::Unimplemented,
            "This address does not support the method; the header Allow lists the methods that it supports.",
        ),
    ],
    what_happened: "405: the address does not support the method; the header `Allow` lists the methods that \
        it supports. 501: the server knows neither the method nor the transfer coding of the request, or the \
        service behind the gateway does not support the operation.",
    what_to_do: "After a 405, use a method that `Allow` lists. After a 501, use another method or operation.",
    ..of_code("unimplemented", Code::Unimplemented, "Not offered")
};

/// An internal failure.
pub const INTERNAL: ProblemType = ProblemType {
    statuses: &[
        status(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "The system failed."),
        status(StatusCode::BAD_GATEWAY, Code::Internal, "A service sent an unusable response."),
    ],
    retryable: true,
    what_happened: "500: the system failed internally. 502: a service behind the gateway sent a response \
        that is too large or violates the protocol. It is not known what was done before.",
    what_to_do: REPORT_AND_REPEAT,
    ..of_code("internal", Code::Internal, "Internal error")
};

/// A backend is unavailable.
pub const UNAVAILABLE: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Unavailable,
        "A service is not available at the moment.",
    )],
    retryable: true,
    what_happened: "A service that the request needs is unavailable, or the connection to it was lost during \
        the request. It is not known what the service did before.",
    what_to_do: REPEAT,
    ..of_code("unavailable", Code::Unavailable, "Not available at the moment")
};

/// Data is lost or damaged.
pub const DATA_LOSS: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::DataLoss,
        "Data that the request needs cannot be read.",
    )],
    what_happened: "Data that the request needs is lost or damaged.",
    what_to_do: "Report the problem with its `request_id`; the cause is in the logs. Repeating the same \
        request does not help.",
    ..of_code("data-loss", Code::DataLoss, "Data were lost")
};

/// The client is not authenticated.
pub const UNAUTHENTICATED: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::UNAUTHORIZED,
        Code::Unauthenticated,
        "The request needs valid credentials.",
    )],
    what_happened: "The request has no access token, or the token is invalid: it is expired, altered, for \
        another audience, or of an untrusted issuer. The response does not name the cause. The request had \
        no effect.",
    what_to_do: "Send a valid access token in the header `Authorization: Bearer`.",
    ..of_code("unauthenticated", Code::Unauthenticated, "Not authenticated")
};
