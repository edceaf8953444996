//! Payment over gRPC, and what its answers mean for an order.

use std::time::Duration;

use async_trait::async_trait;
use channel::{Channel, Deadline, Failure};
use chassis::metrics::{Registry, prometheus_client::metrics::counter::Counter};
use proto::{
    google_type,
    payment::{CreatePaymentRequest, payment_client::PaymentClient},
};
use tokio::time::Instant;
use tonic::{Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    domain::{ChargeOutcome, Decline, Order},
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
    mismatches: Counter,
}

impl PaymentOverGrpc {
    /// Payment at the other end of `channel`; mismatches are counted in `registry`, and must stay 0.
    pub fn new(channel: Channel, registry: &mut Registry) -> Self {
        let mismatches = Counter::default();
        registry.register(
            "order_payment_mismatches",
            "Orders that Payment knows with another amount, currency or user",
            mismatches.clone(),
        );
        // The channel bounds answers, and can tell an oversized one from other failures.
        Self { client: PaymentClient::new(channel).max_decoding_message_size(usize::MAX), mismatches }
    }
}

#[async_trait]
impl Payments for PaymentOverGrpc {
    async fn charge(&self, order: &Order, time_left: Duration) -> ChargeOutcome {
        let (units, nanos) = order.total.to_units_nanos();
        let mut request = Request::new(CreatePaymentRequest {
            user_id: order.user.get(),
            order_id: order.id.get(),
            total_price: order.total.to_float(),
            total: Some(google_type::Money {
                currency_code: order.total.currency().code().to_owned(),
                units,
                nanos,
            }),
        });
        request.extensions_mut().insert(Deadline(Instant::now() + time_left));
        if let Some(context) = chassis::trace::current() {
            context.write_to(request.metadata_mut().as_mut());
        }
        match self.client.clone().create(request).await {
            Ok(charged) if charged.get_ref().payment_id > 0 => ChargeOutcome::Charged,
            // What answers anything with an empty message is not Payment.
            Ok(_) => {
                tracing::error!(order_id = order.id.get(), "Payment's success names no payment");
                ChargeOutcome::Unknown
            }
            Err(status) => {
                let outcome = outcome_of(&status);
                if outcome == ChargeOutcome::Mismatch {
                    self.mismatches.inc();
                }
                log(order, &status, &outcome);
                outcome
            }
        }
    }
}

/// The one table from Payment's answers to what is known of a charge.
fn outcome_of(status: &Status) -> ChargeOutcome {
    match Failure::of(status) {
        Failure::NeverRan => return ChargeOutcome::NeverRan,
        Failure::Answered => {}
        Failure::DeadlineExceeded | Failure::TooLarge | Failure::NotGrpc | Failure::Lost => {
            return ChargeOutcome::Unknown;
        }
    }
    let details = status.get_error_details();
    let reason = details.error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason.as_str());
    match reason {
        Some("DECLINED") => ChargeOutcome::Declined(decline(status, &details)),
        Some("VOIDED") => ChargeOutcome::Voided,
        Some("MISMATCH") => ChargeOutcome::Mismatch,
        Some(chassis::refusal::NOT_STARTED) => ChargeOutcome::NeverRan,
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

/// A decline is business; everything else that is no charge has a cause that an operator wants to see.
fn log(order: &Order, status: &Status, outcome: &ChargeOutcome) {
    let source = std::error::Error::source(status).map(chassis::telemetry::chain);
    match outcome {
        ChargeOutcome::Charged | ChargeOutcome::Declined(_) => {}
        ChargeOutcome::Mismatch => {
            tracing::error!(
                order_id = order.id.get(),
                "Payment knows this order with another amount, currency or user"
            );
        }
        outcome => tracing::warn!(
            order_id = order.id.get(),
            ?outcome,
            code = ?status.code(),
            said = status.message(),
            source,
            "the charge failed"
        ),
    }
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
