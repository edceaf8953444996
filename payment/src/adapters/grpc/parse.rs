//! Parses requests into domain types. Reports every invalid field at once.

use money::{Currency, Money, Rounding};
use proto::{google_type, payment::CreatePaymentRequest};
use tonic::Status;
use tonic_types::FieldViolation;

use super::status;
use crate::domain::{ChargeRequest, OrderId, Total, UserId};

const ABOVE_ZERO: &str = "must be above 0";

/// Parses a charge. The exact total takes precedence over the float of the old contract, which is in USD.
pub(super) fn charge(request: &CreatePaymentRequest) -> Result<ChargeRequest, Status> {
    let mut violations = Vec::new();
    let user = UserId::new(request.user_id);
    if user.is_none() {
        violations.push(FieldViolation::new("user_id", ABOVE_ZERO));
    }
    let order = OrderId::new(request.order_id);
    if order.is_none() {
        violations.push(FieldViolation::new("order_id", ABOVE_ZERO));
    }
    let total = match &request.total {
        Some(total) => exact(total),
        None => float(request.total_price),
    };
    let total = total.map_err(|violation| violations.push(violation)).ok();
    match (order, user, total) {
        (Some(order), Some(user), Some(total)) => Ok(ChargeRequest { order, user, total }),
        _ => Err(status::invalid(violations)),
    }
}

/// Parses an order id.
pub(super) fn order(id: i64) -> Result<OrderId, Status> {
    OrderId::new(id).ok_or_else(|| status::invalid(vec![FieldViolation::new("order_id", ABOVE_ZERO)]))
}

/// Accepts every currency of records: Order repeats the charge of an order that it saved before a code was
/// withdrawn, and the reply must not change.
fn exact(total: &google_type::Money) -> Result<Total, FieldViolation> {
    let currency = Currency::from_stored(&total.currency_code)
        .map_err(|error| FieldViolation::new("total.currency_code", error.to_string()))?;
    let amount = Money::from_units_nanos(currency, total.units, total.nanos)
        .map_err(|error| FieldViolation::new("total", error.to_string()))?;
    Total::new(amount).ok_or_else(|| FieldViolation::new("total", ABOVE_ZERO))
}

fn float(major: f32) -> Result<Total, FieldViolation> {
    let amount = Money::from_float(Currency::USD, major, Rounding::HalfEven)
        .map_err(|error| FieldViolation::new("total_price", error.to_string()))?;
    Total::new(amount).ok_or_else(|| FieldViolation::new("total_price", ABOVE_ZERO))
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn request(total_price: f32, total: Option<(&str, i64, i32)>) -> CreatePaymentRequest {
        let total = total.map(|(code, units, nanos)| google_type::Money {
            currency_code: code.to_owned(),
            units,
            nanos,
        });
        CreatePaymentRequest { user_id: 123, order_id: 12, total_price, total }
    }

    fn minor(request: &CreatePaymentRequest) -> (i64, &'static str) {
        let total = charge(request).unwrap().total.get();
        (total.minor(), total.currency().code())
    }

    fn fields(request: &CreatePaymentRequest) -> Vec<String> {
        let status = charge(request).unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        let details = status.get_error_details();
        details
            .bad_request()
            .unwrap()
            .field_violations
            .iter()
            .map(|violation| violation.field.clone())
            .collect()
    }

    #[test]
    fn the_exact_total_takes_precedence_over_the_float() {
        assert_eq!(minor(&request(99.0, Some(("JPY", 32, 0)))), (32, "JPY"));
        assert_eq!(minor(&request(0.0, Some(("USD", 0, 120_000_000)))), (12, "USD"));
        assert_eq!(minor(&request(0.0, Some(("BGN", 0, 120_000_000)))), (12, "BGN"));
        assert_eq!(fields(&request(99.0, Some(("USD", 0, 0)))), ["total"]);
    }

    #[test]
    fn a_float_is_rounded_half_even_to_the_cent() {
        assert_eq!(minor(&request(32.0, None)), (3_200, "USD"));
        assert_eq!(minor(&request(0.1 + 0.2, None)), (30, "USD"));
        assert_eq!(minor(&request(0.125, None)), (12, "USD"));
        assert_eq!(minor(&request(0.375, None)), (38, "USD"));
    }

    #[test]
    fn every_invalid_field_is_reported_at_once() {
        for total_price in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e30, 0.001] {
            let request = CreatePaymentRequest { user_id: 0, order_id: -1, total_price, total: None };
            assert_eq!(fields(&request), ["user_id", "order_id", "total_price"], "{total_price}");
        }
        for code in ["", "usd", "XAU", "XDR", "XXX", "DEM"] {
            assert_eq!(fields(&request(1.0, Some((code, 1, 0)))), ["total.currency_code"], "{code}");
        }
        for (units, nanos) in [(-1, 0), (0, 1), (1, -1), (i64::MAX, 0), (0, i32::MIN)] {
            assert_eq!(fields(&request(1.0, Some(("USD", units, nanos)))), ["total"], "{units} {nanos}");
        }
    }
}
