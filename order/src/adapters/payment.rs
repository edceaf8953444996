//! Payment over gRPC, and what its answers mean for an order.

use std::time::Duration;

use async_trait::async_trait;
use grpc_client::{Channel, Deadline, Failure};
use proto::{
    google_type,
    payment::{CreatePaymentRequest, PaymentStatus, VoidPaymentRequest, payment_client::PaymentClient},
};
use tokio::time::Instant;
use tonic::{Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    domain::{ChargeOutcome, ChargeRequest, Decline, OrderId, VoidOutcome},
    ports::Payments,
};

/// The domain of Payment's reasons.
const DOMAIN: &str = "payment";
/// The reason of a decline whose details leave it out.
const REASON_UNKNOWN: &str = "UNSPECIFIED";

/// The reason of a decline is kept up to this many characters (`google.rpc.ErrorInfo`).
const REASON_CHARS_MAX: usize = 63;
/// Sentences of a decline are kept up to this many characters, since they travel on in a header, and without
/// control characters, which not every database takes.
const DESCRIPTION_CHARS_MAX: usize = 1000;

/// Payment behind a channel.
#[derive(Debug, Clone)]
pub struct PaymentOverGrpc {
    client: PaymentClient<Channel>,
}

impl PaymentOverGrpc {
    /// Payment at the other end of `channel`.
    pub fn new(channel: Channel) -> Self {
        // The channel bounds answers, and can tell an oversized one from other failures.
        Self { client: PaymentClient::new(channel).max_decoding_message_size(usize::MAX) }
    }
}

#[async_trait]
impl Payments for PaymentOverGrpc {
    async fn charge(&self, request: &ChargeRequest, time_left: Duration) -> ChargeOutcome {
        let ChargeRequest { order, user, total } = *request;
        let (units, nanos) = total.to_units_nanos();
        let asked = CreatePaymentRequest {
            user_id: user.get(),
            order_id: order.get(),
            total_price: total.to_float(),
            total: Some(google_type::Money {
                currency_code: total.currency().code().to_owned(),
                units,
                nanos,
            }),
        };
        match self.client.clone().create(within(asked, time_left)).await {
            Ok(charged) if charged.get_ref().payment_id > 0 => ChargeOutcome::Charged,
            // What answers anything with an empty message is not Payment.
            Ok(_) => {
                tracing::error!(order_id = order.get(), "Payment's success names no payment");
                ChargeOutcome::Unknown
            }
            Err(status) => {
                let outcome = outcome_of(&status);
                if matches!(outcome, ChargeOutcome::NeverRan | ChargeOutcome::Unknown) {
                    log(order, &status, &outcome);
                }
                outcome
            }
        }
    }

    async fn void(&self, order: OrderId, time_left: Duration) -> VoidOutcome {
        let asked = VoidPaymentRequest { order_id: order.get() };
        match self.client.clone().void(within(asked, time_left)).await {
            Ok(recorded) => match recorded.into_inner().payment.map(|payment| payment.status()) {
                Some(PaymentStatus::Voided) => VoidOutcome::Voided,
                Some(PaymentStatus::Charged | PaymentStatus::Declined) => VoidOutcome::Answered,
                Some(PaymentStatus::Unspecified) | None => {
                    tracing::error!(order_id = order.get(), "Payment's answer to Void names no status");
                    VoidOutcome::Unknown
                }
            },
            Err(status) => {
                log(order, &status, &VoidOutcome::Unknown);
                VoidOutcome::Unknown
            }
        }
    }
}

/// The request, with the time that it may take and the trace that it is part of.
fn within<T>(message: T, time_left: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Deadline(Instant::now() + time_left));
    if let Some(context) = service_kit::trace::current() {
        context.write_to(request.metadata_mut().as_mut());
    }
    request
}

/// The one table from Payment's answers to what is known of a charge.
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
    let kept = |c: &char| *c == '\n' || !c.is_control();
    let description = description.chars().filter(kept).take(DESCRIPTION_CHARS_MAX).collect();
    Decline { reason, description }
}

/// A call without an answer of Payment's has a cause that an operator wants to see.
fn log(order: OrderId, status: &Status, outcome: &dyn std::fmt::Debug) {
    let source = std::error::Error::source(status).map(service_kit::telemetry::chain);
    tracing::warn!(
        order_id = order.get(),
        ?outcome,
        code = ?status.code(),
        said = status.message(),
        source,
        "the call of Payment failed"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic::Code;

    use super::*;

    fn answered(domain: &str, reason: &str) -> Status {
        answered_because(domain, reason, "INSUFFICIENT_BALANCE")
    }

    fn answered_because(domain: &str, reason: &str, decline_reason: &str) -> Status {
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
    fn a_decline_keeps_every_sentence_of_payment() {
        let ChargeOutcome::Declined(decline) = outcome_of(&answered("payment", "DECLINED")) else {
            panic!("not a decline");
        };
        assert_eq!(decline.reason, "INSUFFICIENT_BALANCE");
        assert_eq!(decline.description, "insufficient balance\nand nothing else");
    }

    #[test]
    fn a_reason_of_any_length_is_kept_within_bounds() {
        let status = answered_because("payment", "DECLINED", &"R".repeat(64));
        let ChargeOutcome::Declined(decline) = outcome_of(&status) else { panic!("not a decline") };
        assert_eq!(decline.reason, "R".repeat(63));
    }

    #[test]
    fn only_payments_own_reasons_are_outcomes() {
        assert_eq!(outcome_of(&answered("payment", "VOIDED")), ChargeOutcome::Voided);
        assert_eq!(outcome_of(&answered("payment", "MISMATCH")), ChargeOutcome::Mismatch);
        assert_eq!(outcome_of(&answered("payment", "NOT_STARTED")), ChargeOutcome::NeverRan);
        assert_eq!(outcome_of(&answered("order", "DECLINED")), ChargeOutcome::Unknown);
        assert_eq!(outcome_of(&answered("proxy.example", "NOT_STARTED")), ChargeOutcome::Unknown);
        assert_eq!(outcome_of(&answered("payment", "OTHER")), ChargeOutcome::Unknown);
        assert_eq!(outcome_of(&Status::invalid_argument("no details")), ChargeOutcome::Unknown);
    }
}
