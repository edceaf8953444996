//! Types of the reasons that the Order service gives: what became of an order (the table of outcomes).

use http::StatusCode;
use tonic::Code;

use super::{Example, Key, ORDER_DOMAIN, ProblemType, answer, blank};

const ORDER_ID: i64 = 115_458_048_000_000;
const ORDER_ID_TEXT: &str = "115458048000000";

const fn of_reason(slug: &'static str, reason: &'static str, title: &'static str) -> ProblemType {
    blank(slug, Key::Reason { domain: ORDER_DOMAIN, reason }, title)
}

const fn about_order(metadata: &'static [(&'static str, &'static str)]) -> Example {
    Example { order_id: Some(ORDER_ID), metadata, ..Example::PLAIN }
}

/// Payment refused the charge; final.
pub const PAYMENT_DECLINED: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::PAYMENT_REQUIRED,
        Code::InvalidArgument,
        "The payment was declined; nothing was charged.",
    )],
    metadata: &["order_id", "decline_reason"],
    marks_replay: true,
    what_happened: "The order was saved, and the customer's account refused the charge. Nothing was charged, \
        and nothing will be: the order stays `DECLINED`. `errors` says why in words, `metadata.decline_reason` in a \
        constant. Where the answer repeats that of an earlier request with the same key, it has the header \
        `Idempotent-Replayed`.",
    what_to_do: "Settle what the reason names, or order less, and place a new order with a new idempotency \
        key. The same key returns this answer again.",
    example: Example {
        detail: Some("order creation failed"),
        errors: &[("payment", None, "insufficient balance")],
        ..about_order(&[("decline_reason", "INSUFFICIENT_BALANCE"), ("order_id", ORDER_ID_TEXT)])
    },
    ..of_reason("payment-declined", "PAYMENT_DECLINED", "The payment was declined")
};

/// Recorded as not charged, and not to be charged unless the key is tried again.
pub const NOT_CHARGED: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Unavailable,
        "The payment service did not take the charge. Nothing was charged, and nothing will be unless the \
         request is sent again with the same key.",
    )],
    retryable: true,
    retry_after: true,
    metadata: &["order_id"],
    what_happened: "The order was saved, and the payment service provably did not take the charge. The order \
        is recorded as `NOT_CHARGED`: no charge happened, and none will happen by itself.",
    what_to_do: "Wait as long as `Retry-After` says and send the same request with the same idempotency key, \
        which takes the order up again. Or let it be: nothing was charged.",
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

/// It may have been charged; it settles by itself.
pub const OUTCOME_UNKNOWN: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::GATEWAY_TIMEOUT,
        Code::DeadlineExceeded,
        "It is not known yet how the order ended; the customer may have been charged. The same request with \
         the same key returns how it ended.",
    )],
    retryable: true,
    metadata: &["order_id"],
    what_happened: "No answer about the charge came in time. The order may have been placed and charged, or \
        not; the services settle it by themselves. Where `order_id` is there, the order may have been saved under \
        it: while that is still on its way, reading it is answered 404, which proves nothing.",
    what_to_do: "Do not order again with another key: that could charge twice. Send the same request with the \
        idempotency key from the header of this answer, which returns how it ended, or read the order with `GET` \
        where `order_id` is there.",
    example: Example {
        errors: &[("payment", None, "the outcome of the charge is not known yet")],
        ..about_order(&[("order_id", ORDER_ID_TEXT)])
    },
    ..of_reason("outcome-unknown", "OUTCOME_UNKNOWN", "The outcome is not known yet")
};

/// The first request with the key is still being worked on.
pub const IDEMPOTENCY_IN_PROGRESS: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::CONFLICT,
        Code::Aborted,
        "The first request with this idempotency key is still being worked on.",
    )],
    retryable: true,
    retry_after: true,
    metadata: &["order_id"],
    what_happened: "A request with the same idempotency key came before and is still being worked on. This \
        request waited for it and did nothing itself.",
    what_to_do: "Wait as long as `Retry-After` says and send the same request with the same key, which returns \
        the answer to the first.",
    example: about_order(&[("order_id", ORDER_ID_TEXT)]),
    ..of_reason(
        "idempotency-in-progress",
        "IDEMPOTENCY_IN_PROGRESS",
        "The first request is still being worked on",
    )
};

/// The key belongs to a request of another meaning.
pub const IDEMPOTENCY_KEY_REUSED: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::FailedPrecondition,
        "The idempotency key was used before for a different order.",
    )],
    metadata: &["order_id"],
    what_happened: "The customer used this idempotency key before, for an order of another meaning: other \
        items, other prices or another currency. Nothing was done.",
    what_to_do: "For a new order use a new key. To repeat the earlier one, send exactly what was sent then.",
    ..of_reason(
        "idempotency-key-reused",
        "IDEMPOTENCY_KEY_REUSED",
        "The idempotency key belongs to another order",
    )
};

/// Given up after a long PENDING.
pub const ORDER_VOIDED: ProblemType = ProblemType {
    answers: &[answer(
        StatusCode::GONE,
        Code::FailedPrecondition,
        "The order was given up before it was charged; nothing was charged.",
    )],
    metadata: &["order_id"],
    what_happened: "The order's outcome stayed unknown for so long that it was given up, and the payment \
        service was told to refuse any late charge. Nothing was charged, and nothing will be: the order stays \
        `VOIDED`.",
    what_to_do: "Place a new order with a new idempotency key. The same key returns this answer again.",
    example: about_order(&[("order_id", ORDER_ID_TEXT)]),
    ..of_reason("order-voided", "ORDER_VOIDED", "The order was given up")
};

const NOT_STARTED_DETAIL: &str = "The request was refused before anything was done.";

/// This request did nothing.
pub const NOT_STARTED: ProblemType = ProblemType {
    answers: &[
        answer(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, NOT_STARTED_DETAIL),
        answer(StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted, NOT_STARTED_DETAIL),
    ],
    retryable: true,
    retry_after: true,
    what_happened: "The request was refused before anything was done: a service is overloaded, stopping or out \
        of reach, or too little time was left. 429: this client has made more requests than one may; `RateLimit` says how many are \
        left, and of which limit. This request did nothing; an earlier one with the same idempotency key may have.",
    what_to_do: "Wait as long as `Retry-After` says and send the same request with the same idempotency key.",
    ..of_reason("not-started", "NOT_STARTED", "The request was not started")
};
