//! The client of Payment: from its responses to outcomes of a charge.

use std::time::Duration;

use async_trait::async_trait;
use grpc_client::{Channel, Deadline, Failure};
use money::{Currency, Money};
use proto::{
    google_type,
    payment::{
        CreatePaymentRequest, GetPaymentRequest, PaymentStatus, VoidPaymentRequest,
        payment_client::PaymentClient,
    },
};
use tokio::time::Instant;
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    domain::{ChargeOutcome, ChargeRequest, Decline, OrderId, RecordedPayment, UserId, VoidOutcome},
    ports::{PaymentError, PaymentRecords, Payments},
};

/// The `ErrorInfo` domain of Payment.
const DOMAIN: &str = "payment";
/// The reason of a decline whose details have none.
const REASON_UNKNOWN: &str = "UNSPECIFIED";

/// Characters of the reason of a decline that are stored (limit of `google.rpc.ErrorInfo`).
const REASON_CHARS_MAX: usize = 63;
/// Characters of the description of a decline that are stored: the description travels to clients in a
/// header. Control characters are dropped, since not every database accepts them.
const DESCRIPTION_CHARS_MAX: usize = 1000;

/// Payment over a gRPC channel.
#[derive(Debug, Clone)]
pub struct PaymentOverGrpc {
    client: PaymentClient<Channel>,
}

impl PaymentOverGrpc {
    /// A client that calls Payment on `channel`.
    pub fn new(channel: Channel) -> Self {
        // The channel limits the size of responses, and reports a larger one as a failure of its own.
        Self { client: PaymentClient::new(channel).max_decoding_message_size(usize::MAX) }
    }
}

#[async_trait]
impl Payments for PaymentOverGrpc {
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let ChargeRequest { order, user, total } = *request;
        let (units, nanos) = total.to_units_nanos();
        let message = CreatePaymentRequest {
            user_id: user.get(),
            order_id: order.get(),
            total_price: total.to_float(),
            total: Some(google_type::Money {
                currency_code: total.currency().code().to_owned(),
                units,
                nanos,
            }),
        };
        match self.client.clone().create(with_deadline(message, time_left)).await {
            Ok(charged) if charged.get_ref().payment_id > 0 => ChargeOutcome::Charged,
            // A server that returns empty messages is not Payment.
            Ok(_) => {
                tracing::error!(order_id = order.get(), "response of Payment has no payment id");
                ChargeOutcome::Unknown
            }
            Err(status) => {
                let outcome = outcome_of(&status);
                if matches!(outcome, ChargeOutcome::NeverRan | ChargeOutcome::Unknown) {
                    log_failure(order, &status, &outcome);
                }
                outcome
            }
        }
    }

    async fn void(&self, order: OrderId, time_left: Duration) -> VoidOutcome {
        let message = VoidPaymentRequest { order_id: order.get() };
        match self.client.clone().void(with_deadline(message, time_left)).await {
            Ok(recorded) => match recorded.into_inner().payment.map(|payment| payment.status()) {
                Some(PaymentStatus::Voided) => VoidOutcome::Voided,
                Some(PaymentStatus::Charged | PaymentStatus::Declined) => VoidOutcome::AlreadyDecided,
                Some(PaymentStatus::Unspecified) => {
                    tracing::error!(order_id = order.get(), "Payment has an unknown status for the order");
                    VoidOutcome::AlreadyDecided
                }
                None => {
                    tracing::error!(order_id = order.get(), "response of Payment to Void has no status");
                    VoidOutcome::Unknown
                }
            },
            Err(status) => {
                log_failure(order, &status, &VoidOutcome::Unknown);
                VoidOutcome::Unknown
            }
        }
    }
}

#[async_trait]
impl PaymentRecords for PaymentOverGrpc {
    async fn recorded(
        &self,
        order: OrderId,
        time_left: Duration,
    ) -> Result<Option<RecordedPayment>, PaymentError> {
        let message = GetPaymentRequest { order_id: order.get() };
        let found = match self.client.clone().get(with_deadline(message, time_left)).await {
            Ok(found) => found.into_inner(),
            Err(status)
                if status.code() == Code::NotFound && Failure::of(&status) == Failure::ServerStatus =>
            {
                return Ok(None);
            }
            Err(status) => {
                log_failure(order, &status, &PaymentError::Unavailable);
                return Err(PaymentError::Unavailable);
            }
        };
        let declined = match found.status() {
            PaymentStatus::Charged => false,
            PaymentStatus::Declined => true,
            PaymentStatus::Voided => return Ok(Some(RecordedPayment::Voided)),
            PaymentStatus::Unspecified => return Err(PaymentError::UnknownStatus),
        };
        let total = found.total.and_then(|total| {
            let currency = Currency::from_stored(&total.currency_code).ok()?;
            Money::from_units_nanos(currency, total.units, total.nanos).ok()
        });
        Ok(Some(RecordedPayment::Charge { declined, user: UserId::new(found.user_id), total }))
    }
}

/// A request with a deadline and the current trace.
fn with_deadline<T>(message: T, time_left: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Deadline(Instant::now() + time_left));
    if let Some(context) = service_kit::trace::current() {
        context.write_to(request.metadata_mut().as_mut());
    }
    request
}

/// The one table from statuses of Payment to outcomes of a charge.
fn outcome_of(status: &Status) -> ChargeOutcome {
    match Failure::of(status) {
        Failure::NeverRan => return ChargeOutcome::NeverRan,
        Failure::ServerStatus => {}
        Failure::DeadlineExceeded
        | Failure::ResponseTooLarge
        | Failure::InvalidResponse
        | Failure::ConnectionLost => {
            return ChargeOutcome::Unknown;
        }
    }
    let details = status.get_error_details();
    let reason = details.error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason.as_str());
    match reason {
        Some("DECLINED") => ChargeOutcome::Declined(decline(status, &details)),
        Some("VOIDED") => ChargeOutcome::Voided,
        Some("MISMATCH") => ChargeOutcome::Mismatch,
        Some(service_kit::not_started::NOT_STARTED) => ChargeOutcome::NeverRan,
        _ => ChargeOutcome::Unknown,
    }
}

fn decline(status: &Status, details: &ErrorDetails) -> Decline {
    let reason = details.error_info().and_then(|info| info.metadata.get("decline_reason"));
    let reason = reason.map_or(REASON_UNKNOWN, String::as_str).chars().filter(|c| !c.is_control());
    let reason = reason.take(REASON_CHARS_MAX).collect();
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    let sentences: Vec<&str> = violations.iter().map(|violation| violation.description.as_str()).collect();
    let description = if sentences.is_empty() { status.message().to_owned() } else { sentences.join("\n") };
    let is_allowed = |c: &char| *c == '\n' || !c.is_control();
    let description = description.chars().filter(is_allowed).take(DESCRIPTION_CHARS_MAX).collect();
    Decline { reason, description }
}

/// Logs the cause of a call that failed without an outcome.
fn log_failure(order: OrderId, status: &Status, outcome: &dyn std::fmt::Debug) {
    let source = std::error::Error::source(status).map(service_kit::telemetry::chain);
    tracing::warn!(
        order_id = order.get(),
        ?outcome,
        code = ?status.code(),
        status = status.message(),
        source,
        "call of Payment failed"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn response(domain: &str, reason: &str) -> Status {
        response_with_decline_reason(domain, reason, "INSUFFICIENT_BALANCE")
    }

    fn response_with_decline_reason(domain: &str, reason: &str, decline_reason: &str) -> Status {
        let mut details = ErrorDetails::with_error_info(
            reason,
            domain,
            HashMap::from([("decline_reason".to_owned(), decline_reason.to_owned())]),
        );
        details.add_bad_request_violation("total_price", "insufficient balance");
        details.add_bad_request_violation("user_id", "and nothing else");
        let mut status =
            Status::with_error_details(Code::InvalidArgument, "failed to charge user: 123", details);
        status.metadata_mut().insert("x-channel-answered", "1".parse().unwrap());
        status
    }

    #[test]
    fn decline_keeps_every_sentence_of_payment() {
        let ChargeOutcome::Declined(decline) = outcome_of(&response("payment", "DECLINED")) else {
            panic!("not a decline");
        };
        assert_eq!(decline.reason, "INSUFFICIENT_BALANCE");
        assert_eq!(decline.description, "insufficient balance\nand nothing else");
    }

    #[test]
    fn long_decline_reason_is_truncated() {
        let status = response_with_decline_reason("payment", "DECLINED", &"R".repeat(64));
        let ChargeOutcome::Declined(decline) = outcome_of(&status) else { panic!("not a decline") };
        assert_eq!(decline.reason, "R".repeat(63));
    }

    #[test]
    fn only_reasons_of_payment_are_outcomes() {
        assert_eq!(outcome_of(&response("payment", "VOIDED")), ChargeOutcome::Voided);
        assert_eq!(outcome_of(&response("payment", "MISMATCH")), ChargeOutcome::Mismatch);
        assert_eq!(outcome_of(&response("payment", "NOT_STARTED")), ChargeOutcome::NeverRan);
        assert_eq!(outcome_of(&response("order", "DECLINED")), ChargeOutcome::Unknown);
        assert_eq!(outcome_of(&response("proxy.example", "NOT_STARTED")), ChargeOutcome::Unknown);
        assert_eq!(outcome_of(&response("payment", "OTHER")), ChargeOutcome::Unknown);
        assert_eq!(outcome_of(&Status::invalid_argument("no details")), ChargeOutcome::Unknown);
    }
}
