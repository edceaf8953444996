//! Maps the application's errors to gRPC statuses.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorDetails, ErrorInfo, FieldViolation, StatusExt};

use super::DOMAIN;
use crate::application::{ChargeError, ReadError, VoidError};

/// The reason of a call that did nothing, and does nothing when it is repeated.
const NOT_STORED: &str = "NOT_STORED";

/// The status of an invalid request.
pub(super) fn invalid(violations: Vec<FieldViolation>) -> Status {
    let details = ErrorDetails::with_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, "the request is invalid", details)
}

impl From<ChargeError> for Status {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Declined { user, reason } => {
                let metadata = HashMap::from([("decline_reason".to_owned(), reason.name().to_owned())]);
                // Clients of the old contract read the first detail alone.
                let details: [ErrorDetail; 2] = [
                    BadRequest::with_violation("total_price", reason.description()).into(),
                    ErrorInfo::new("DECLINED", DOMAIN, metadata).into(),
                ];
                // The exact message of the old contract.
                let message = format!("failed to charge user: {user}");
                Self::with_error_details_vec(Code::InvalidArgument, message, details)
            }
            ChargeError::Voided { order } => {
                refused("VOIDED", format!("order {order} was given up; nothing is charged"))
            }
            ChargeError::Mismatch { order } => {
                refused("MISMATCH", format!("order {order} is known with another amount, currency or user"))
            }
            ChargeError::NotStarted => not_started(),
            ChargeError::NotStored => not_stored(),
            ChargeError::Unknown => unknown(),
        }
    }
}

impl From<VoidError> for Status {
    fn from(error: VoidError) -> Self {
        match error {
            VoidError::NotStarted => not_started(),
            VoidError::NotStored => not_stored(),
            VoidError::Unknown => unknown(),
        }
    }
}

impl From<ReadError> for Status {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound { order } => {
                let message = format!("no payment is recorded for order {order}");
                let details = ErrorDetails::with_resource_info("payment", order.to_string(), "", &message);
                Self::with_error_details(Code::NotFound, &message, details)
            }
            ReadError::Unavailable => Self::unavailable("the payment cannot be read at the moment"),
        }
    }
}

fn refused(reason: &str, message: String) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::<String, String>::new());
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

fn not_started() -> Status {
    service_kit::not_started::status(DOMAIN, "the ledger cannot be reached")
}

/// Without a delay: a retry fails as well.
fn not_stored() -> Status {
    let details = ErrorDetails::with_error_info(NOT_STORED, DOMAIN, HashMap::<String, String>::new());
    Status::with_error_details(Code::Internal, "the ledger refuses the data", details)
}

/// Without details: an unknown outcome must not look like a known one.
fn unknown() -> Status {
    Status::unavailable("the outcome is not known; the same call tells it later")
}
