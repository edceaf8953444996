//! The one table from errors of the application to gRPC statuses.
//!
//! Every outcome about a charge carries a `BadRequest` with the field `payment`, which clients of the old
//! contract expect, and an `ErrorInfo` of this service's domain.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorDetails, ErrorInfo, RetryInfo, StatusExt};

use super::{
    DOMAIN,
    violations::{invalid_request, pricing_violation},
};
use crate::{
    application::{PlaceError, ReadError},
    domain::{Decline, OrderId},
};

/// The field of violations about a charge.
const PAYMENT: &str = "payment";
/// The retry delay of a response.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The status for an order that is not known to be charged.
pub(super) fn place_status(error: PlaceError) -> Status {
    match error {
        PlaceError::NotStarted(why) => service_kit::not_started::status(DOMAIN, why),
        PlaceError::NotStored => {
            let details =
                ErrorDetails::with_error_info("NOT_STORED", DOMAIN, HashMap::<String, String>::new());
            Status::with_error_details(Code::Internal, "the store refuses the data of the order", details)
        }
        PlaceError::Pricing(errors) => invalid_request(errors.iter().map(pricing_violation).collect()),
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

/// The status for an order, or a page, that could not be read.
pub(super) fn read_status(error: ReadError, order: Option<OrderId>) -> Status {
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
    /// The sentence about the charge, if the outcome is about one.
    charge: Option<&'a str>,
    retry: bool,
    metadata: HashMap<String, String>,
}

impl<'a> Outcome<'a> {
    fn new(code: Code, message: &'a str, order: OrderId) -> Self {
        let metadata = HashMap::from([("order_id".to_owned(), order.to_string())]);
        Self { code, message, reason: "", charge: None, retry: false, metadata }
    }

    /// `BadRequest` comes first: clients of the old contract read the first detail alone.
    fn status(self) -> Status {
        let violation =
            |description| ErrorDetail::BadRequest(BadRequest::with_violation(PAYMENT, description));
        let info = ErrorDetail::ErrorInfo(ErrorInfo::new(self.reason, DOMAIN, self.metadata));
        let retry = self.retry.then(|| ErrorDetail::RetryInfo(RetryInfo::new(Some(RETRY_AFTER))));
        let details = self.charge.map(violation).into_iter().chain([info]).chain(retry);
        Status::with_error_details_vec(self.code, self.message, details)
    }
}
