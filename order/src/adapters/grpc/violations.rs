//! Invalid requests: field violations and the status that carries them.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::domain::PricingError;

/// The field violations of one request.
pub(super) type Violations = Vec<FieldViolation>;

/// Maximum number of bytes of the violations of a response, which sends them in a header, in base64. A client
/// fails the call if the headers exceed its limit: 8 KiB in gRPC's C core, 16 KiB in hyper.
const VIOLATIONS_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a violation's protobuf tags and lengths.
const VIOLATION_OVERHEAD_BYTES: usize = 8;

/// The status for an invalid request. If not all violations fit, the last one states how many are left out.
pub(super) fn invalid_request(mut violations: Violations) -> Status {
    let mut bytes = 0;
    let fitting = violations.iter().take_while(|violation| {
        let texts = [&violation.field, &violation.description, &violation.reason];
        bytes += texts.map(String::len).iter().sum::<usize>() + VIOLATION_OVERHEAD_BYTES;
        bytes <= VIOLATIONS_BYTES_MAX
    });
    let fitting = fitting.count();
    let more = violations.len() - fitting;
    if more > 0 {
        violations.truncate(fitting);
        // Only items can have so many violations.
        violations.push(FieldViolation::new("order_items", format!("and {more} more faults")));
    }
    let mut details = ErrorDetails::new();
    details.set_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, "invalid request", details)
}

/// The violation for an item that cannot be priced.
pub(super) fn pricing_violation(error: &PricingError) -> FieldViolation {
    let violation = |item: &usize, member: &str, description: String, reason: &str| FieldViolation {
        reason: reason.to_owned(),
        ..FieldViolation::new(format!("order_items[{item}].{member}"), description)
    };
    match error {
        PricingError::PriceMismatch { item, listed } => {
            violation(item, "unit_price", format!("must be {listed}, by the price list"), "PRICE_MISMATCH")
        }
        PricingError::NoPrice { item, currency } => {
            violation(item, "product_code", format!("has no price in {currency}"), "NO_PRICE")
        }
        PricingError::NoPriceList { item } => {
            let missing = "is missing; it must be a decimal number of 0 or more, as there is no price list";
            violation(item, "unit_price", missing.to_owned(), "")
        }
        PricingError::Draft(error) => FieldViolation::new("order_items", error.to_string()),
    }
}
