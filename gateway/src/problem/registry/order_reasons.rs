//! Types of the Order service's reasons: the outcomes of placing an order other than success.

use http::StatusCode;
use tonic::Code;

use super::{Example, ORDER_DOMAIN, ProblemType, TypeKey, blank, status};

const ORDER_ID: i64 = 115_458_048_000_000;
const ORDER_ID_TEXT: &str = "115458048000000";

const fn of_reason(slug: &'static str, reason: &'static str, title: &'static str) -> ProblemType {
    blank(slug, TypeKey::Reason { domain: ORDER_DOMAIN, reason }, title)
}

const fn about_order(metadata: &'static [(&'static str, &'static str)]) -> Example {
    Example { order_id: Some(ORDER_ID), metadata, ..Example::PLAIN }
}

/// Payment declined the charge; final.
pub const PAYMENT_DECLINED: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::PAYMENT_REQUIRED,
        Code::InvalidArgument,
        "The payment was declined; nothing was charged.",
    )],
    metadata: &["order_id", "decline_reason"],
    marks_replay: true,
    what_happened: "The order was saved, and the customer's account declined the charge. Nothing was \
        charged, and nothing will be: the order stays `DECLINED`. `errors` describes the cause, \
        `metadata.decline_reason` names it: `INSUFFICIENT_BALANCE` if the order exceeds the credit that is \
        left, `CURRENCY_NOT_ACCEPTED` if the currency is not accepted. A response that repeats the one to an \
        earlier request with the same key has the header `Idempotent-Replayed`.",
    what_to_do: "Resolve the cause, order less or in another currency, and place a new order with a new \
        idempotency key. The same key returns this response again.",
    example: Example {
        detail: Some("order creation failed"),
        errors: &[("payment", None, "insufficient balance")],
        ..about_order(&[("decline_reason", "INSUFFICIENT_BALANCE"), ("order_id", ORDER_ID_TEXT)])
    },
    ..of_reason("payment-declined", "PAYMENT_DECLINED", "The payment was declined")
};

/// Recorded as not charged. Only a retry with the same key can charge it.
pub const NOT_CHARGED: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Unavailable,
        "The payment service did not accept the charge. Nothing was charged, and nothing will be unless the \
         request is sent again with the same key.",
    )
    .with_retry_after()],
    retryable: true,
    metadata: &["order_id"],
    what_happened: "The order was saved, and the payment service provably did not accept the charge. The \
        order is recorded as `NOT_CHARGED`: nothing was charged, and nothing will be without another \
        request.",
    what_to_do: "To charge the order, wait for the time in `Retry-After` and send the same request with the \
        same idempotency key. To abandon it, do nothing: nothing was charged.",
    example: Example {
        errors: &[(
            "payment",
            None,
            "the customer was not charged, and will not be unless this key is tried again",
        )],
        ..about_order(&[("order_id", ORDER_ID_TEXT)])
    },
    ..of_reason("not-charged", "NOT_CHARGED", "The order was not charged")
};

/// The database refuses the data of the order. Nothing was stored or charged.
pub const NOT_STORED: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::Internal,
        "The system cannot store this order. Nothing was saved or charged.",
    )],
    what_happened: "The database of orders refused the data of this order, which the system should have \
        accepted. Nothing was saved, and nothing was charged.",
    what_to_do: "Report the problem with its `request_id`; the cause is in the logs. Repeating the same \
        request does not help.",
    ..of_reason("not-stored", "NOT_STORED", "The order cannot be stored")
};

/// The order may have been charged; the services settle it later.
pub const OUTCOME_UNKNOWN: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::GATEWAY_TIMEOUT,
        Code::DeadlineExceeded,
        "The outcome of the order is not known yet; the customer may have been charged. The same request \
         with the same key returns the outcome.",
    )
    // Short, since the repeated request itself waits for the outcome within its deadline.
    .with_retry_after()],
    retryable: true,
    metadata: &["order_id"],
    what_happened: "No response about the charge arrived in time. The order may have been placed and \
        charged, or not; the services settle it later without another request. If `order_id` is present, the \
        order may have been saved with this id. Until then, reading it returns 404, which proves nothing.",
    what_to_do: "Do not order again with another key: that could charge twice. Wait for the time in \
        `Retry-After`, then send the same request with the idempotency key from the header of this response: \
        it returns the outcome. Repeat this with growing pauses. If `order_id` is present, `GET` returns the state of the order as \
        well.",
    example: Example {
        errors: &[("payment", None, "the outcome of the charge is not known yet")],
        ..about_order(&[("order_id", ORDER_ID_TEXT)])
    },
    ..of_reason("outcome-unknown", "OUTCOME_UNKNOWN", "The outcome is not known yet")
};

/// The first request with the key is still in progress.
pub const IDEMPOTENCY_IN_PROGRESS: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::CONFLICT,
        Code::Aborted,
        "The first request with this idempotency key is still in progress.",
    )
    .with_retry_after()],
    retryable: true,
    metadata: &["order_id"],
    what_happened: "An earlier request with the same idempotency key is still in progress. This request \
        waited for it and had no effect.",
    what_to_do: "Wait for the time in `Retry-After` and send the same request with the same key. It returns \
        the response to the first request.",
    example: about_order(&[("order_id", ORDER_ID_TEXT)]),
    ..of_reason(
        "idempotency-in-progress",
        "IDEMPOTENCY_IN_PROGRESS",
        "The first request is still being worked on",
    )
};

/// The key belongs to a different request.
pub const IDEMPOTENCY_KEY_REUSED: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::FailedPrecondition,
        "The idempotency key was used before for a different order.",
    )],
    metadata: &["order_id"],
    what_happened: "The customer used this idempotency key before for an order with other items, other \
        prices or another currency. The request had no effect.",
    what_to_do: "For a new order, use a new key. To repeat the earlier order, send the same body as then.",
    ..of_reason(
        "idempotency-key-reused",
        "IDEMPOTENCY_KEY_REUSED",
        "The idempotency key belongs to another order",
    )
};

/// Given up after being PENDING for too long.
pub const ORDER_VOIDED: ProblemType = ProblemType {
    statuses: &[status(
        StatusCode::GONE,
        Code::FailedPrecondition,
        "The order was given up before it was charged; nothing was charged.",
    )],
    metadata: &["order_id"],
    what_happened: "The outcome of the order stayed unknown for too long. The order was given up, and the \
        payment service now rejects a late charge. Nothing was charged, and nothing will be: the order stays \
        `VOIDED`.",
    what_to_do: "Place a new order with a new idempotency key. The same key returns this response again.",
    example: about_order(&[("order_id", ORDER_ID_TEXT)]),
    ..of_reason("order-voided", "ORDER_VOIDED", "The order was given up")
};

const NOT_STARTED_DETAIL: &str = "The request was rejected before it had any effect.";

/// This request had no effect.
pub const NOT_STARTED: ProblemType = ProblemType {
    statuses: &[
        status(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, NOT_STARTED_DETAIL).with_retry_after(),
        status(StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted, NOT_STARTED_DETAIL).with_retry_after(),
    ],
    retryable: true,
    what_happened: "The request was rejected before it had any effect. 503: a service is overloaded, \
        shutting down or unreachable, or the deadline of the request (`Grpc-Timeout`) was too short to start \
        it. 429: the client exceeded a rate limit; `RateLimit` names the limit and the requests left. This \
        request had no effect; an earlier request with the same idempotency key may have had one.",
    what_to_do: "Wait for the time in `Retry-After` and send the same request with the same idempotency key.",
    ..of_reason("not-started", "NOT_STARTED", "The request was not started")
};
