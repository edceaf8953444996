//! Invalid requests: field violations and the status that carries them.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::domain::PricingError;

/// The faults of a request, field by field.
pub(super) type Violations = Vec<FieldViolation>;

/// Maximum number of bytes of the violations of a response. They travel in a header, in base64. Clients
/// accept 8 KiB of headers (gRPC's C core) or 16 KiB (hyper), and lose the whole response beyond that.
const VIOLATIONS_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a violation on the wire besides its texts.
const VIOLATION_FRAME_BYTES: usize = 8;

/// The status for an invalid request. If not all violations fit, the last one counts the rest.
pub(super) fn invalid_request(mut violations: Violations) -> Status {
    let mut bytes = 0;
    let fitting = violations.iter().take_while(|violation| {
        let texts = [&violation.field, &violation.description, &violation.reason];
        bytes += texts.map(String::len).iter().sum::<usize>() + VIOLATION_FRAME_BYTES;
        bytes <= VIOLATIONS_BYTES_MAX
    });
    let listed = fitting.count();
    let more = violations.len() - listed;
    if more > 0 {
        violations.truncate(listed);
        // Only items can be so many.
        violations.push(FieldViolation::new("order_items", format!("and {more} more faults")));
    }
    let mut details = ErrorDetails::new();
    details.set_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, "invalid request", details)
}

/// The violation for an item that cannot be priced.
pub(super) fn pricing_violation(error: &PricingError) -> FieldViolation {
    let of_item = |item: &usize, member: &str, description: String, reason: &str| FieldViolation {
        reason: reason.to_owned(),
        ..FieldViolation::new(format!("order_items[{item}].{member}"), description)
    };
    match error {
        PricingError::PriceMismatch { item, listed } => {
            of_item(item, "unit_price", format!("must be {listed}, by the price list"), "PRICE_MISMATCH")
        }
        PricingError::NoPrice { item, currency } => {
            of_item(item, "product_code", format!("has no price in {currency}"), "NO_PRICE")
        }
        PricingError::NoPriceList { item } => {
            let missing = "is missing; it must be a decimal number of 0 or more, as there is no price list";
            of_item(item, "unit_price", missing.to_owned(), "")
        }
        PricingError::Draft(error) => FieldViolation::new("order_items", error.to_string()),
    }
}
