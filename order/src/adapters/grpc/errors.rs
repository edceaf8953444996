//! What callers are told where they get no answer: the one table from this service's errors to gRPC.
//!
//! Every outcome about a charge carries a `BadRequest` with the field `payment`, as clients of the old
//! contract expect, and an `ErrorInfo` of this service's domain.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{DOMAIN, parse::Violations};
use crate::{
    application::{PlaceError, ReadError},
    domain::{Decline, OrderId, Refusal},
};

/// The field that outcomes about a charge name.
const PAYMENT: &str = "payment";
/// How soon a caller may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes of the violations that one answer names. They travel in a header, in base64, and clients take 8 KiB
/// of those (gRPC's C core) or 16 KiB (hyper); past that the whole answer is lost.
const VIOLATIONS_BYTES_MAX: usize = 4 * 1024;
/// Bytes that a violation takes on the wire besides its texts.
const VIOLATION_FRAME_BYTES: usize = 8;

/// A request that is wrong in itself. Where not every fault can be named, the last violation counts the rest.
pub(super) fn invalid(mut violations: Violations) -> Status {
    let mut bytes = 0;
    let fitting = violations.iter().take_while(|violation| {
        let texts = [&violation.field, &violation.description, &violation.reason];
        bytes += texts.map(String::len).iter().sum::<usize>() + VIOLATION_FRAME_BYTES;
        bytes <= VIOLATIONS_BYTES_MAX
    });
    let named = fitting.count();
    let unnamed = violations.len() - named;
    if unnamed > 0 {
        violations.truncate(named);
        // Only items are many.
        violations.push(FieldViolation::new("order_items", format!("and {unnamed} more faults")));
    }
    let mut details = ErrorDetails::new();
    details.set_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, "invalid request", details)
}

/// What is wrong with an item by the price list.
pub(super) fn refusal(refusal: &Refusal) -> FieldViolation {
    let of_item = |item: &usize, member: &str, description: String, reason: &str| FieldViolation {
        reason: reason.to_owned(),
        ..FieldViolation::new(format!("order_items[{item}].{member}"), description)
    };
    match refusal {
        Refusal::OtherPrice { item, listed } => {
            of_item(item, "unit_price", format!("must be {listed}, by the price list"), "PRICE_MISMATCH")
        }
        Refusal::NoPrice { item, currency } => {
            of_item(item, "product_code", format!("has no price in {currency}"), "NO_PRICE")
        }
        Refusal::NoList { item } => {
            let missing = "is missing; it must be a decimal number of 0 or more, as there is no price list";
            of_item(item, "unit_price", missing.to_owned(), "")
        }
        Refusal::Items(error) => FieldViolation::new("order_items", error.to_string()),
    }
}

/// An order that is not known to be charged.
pub(super) fn not_placed(error: PlaceError) -> Status {
    match error {
        PlaceError::NotStarted(why) => service_kit::not_started::status(DOMAIN, why),
        PlaceError::Refused(refusals) => invalid(refusals.iter().map(refusal).collect()),
        PlaceError::Declined { order, decline, replayed } => declined(order, decline, replayed),
        PlaceError::NotCharged { order } => Outcome {
            reason: "NOT_CHARGED",
            charge: Some("the customer was not charged, and will not be unless this key is tried again"),
            retry: true,
            ..Outcome::new(Code::Unavailable, "the order was not charged", order)
        }
        .status(),
        PlaceError::OutcomeUnknown { order } => Outcome {
            reason: "OUTCOME_UNKNOWN",
            charge: Some("the customer may have been charged; the order settles by itself"),
            ..Outcome::new(Code::DeadlineExceeded, "the outcome of the charge is not known yet", order)
        }
        .status(),
        PlaceError::InProgress { order } => Outcome {
            reason: "IDEMPOTENCY_IN_PROGRESS",
            retry: true,
            ..Outcome::new(Code::Aborted, "the first request with this key is still being worked on", order)
        }
        .status(),
        PlaceError::KeyReused { order } => Outcome {
            reason: "IDEMPOTENCY_KEY_REUSED",
            ..Outcome::new(Code::FailedPrecondition, "the key belongs to another request", order)
        }
        .status(),
        PlaceError::Voided { order } => Outcome {
            reason: "ORDER_VOIDED",
            charge: Some("the order was given up before the customer was charged; use a new key"),
            ..Outcome::new(Code::FailedPrecondition, "the order was given up", order)
        }
        .status(),
    }
}

fn declined(order: OrderId, decline: Decline, replayed: bool) -> Status {
    let mut outcome = Outcome {
        reason: "PAYMENT_DECLINED",
        charge: Some(&decline.description),
        ..Outcome::new(Code::InvalidArgument, "order creation failed", order)
    };
    outcome.metadata.insert("decline_reason".to_owned(), decline.reason);
    if replayed {
        outcome.metadata.insert("replayed".to_owned(), "true".to_owned());
    }
    outcome.status()
}

/// An order, or a page of them, that could not be read.
pub(super) fn not_read(error: ReadError, order: Option<OrderId>) -> Status {
    match error {
        ReadError::NotFound => {
            let name = order.map(|id| id.to_string()).unwrap_or_default();
            let details = ErrorDetails::with_resource_info("order", name, "", "there is no such order");
            Status::with_error_details(Code::NotFound, "order not found", details)
        }
        ReadError::Unavailable => Status::with_error_details(
            Code::Unavailable,
            "the store could not be read",
            ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
        ),
    }
}

/// One row of the table.
struct Outcome<'a> {
    code: Code,
    message: &'a str,
    reason: &'a str,
    /// What is said about the charge, where the outcome is about one.
    charge: Option<&'a str>,
    retry: bool,
    metadata: HashMap<String, String>,
}

impl<'a> Outcome<'a> {
    fn new(code: Code, message: &'a str, order: OrderId) -> Self {
        let metadata = HashMap::from([("order_id".to_owned(), order.to_string())]);
        Self { code, message, reason: "", charge: None, retry: false, metadata }
    }

    fn status(self) -> Status {
        let mut details = ErrorDetails::with_error_info(self.reason, DOMAIN, self.metadata);
        if let Some(description) = self.charge {
            details.set_bad_request(vec![FieldViolation::new(PAYMENT, description)]);
        }
        if self.retry {
            details.set_retry_info(Some(RETRY_AFTER));
        }
        Status::with_error_details(self.code, self.message, details)
    }
}
