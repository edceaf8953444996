//! Renders domain types as responses.

use money::Money;
use proto::{
    google_type,
    payment::{CreatePaymentResponse, GetPaymentResponse, PaymentStatus},
};

use crate::{
    application::Receipt,
    domain::{Outcome, Payment},
};

pub(super) fn receipt(receipt: Receipt) -> CreatePaymentResponse {
    CreatePaymentResponse { payment_id: receipt.payment.get(), bill_id: receipt.bill.get() }
}

pub(super) fn payment(payment: &Payment) -> GetPaymentResponse {
    let common = GetPaymentResponse {
        payment_id: payment.id.get(),
        order_id: payment.order.get(),
        create_time: Some(timestamp(payment.created_ms)),
        ..GetPaymentResponse::default()
    };
    match payment.outcome {
        Outcome::Charged { user, total, bill } => GetPaymentResponse {
            status: PaymentStatus::Charged.into(),
            user_id: user.get(),
            bill_id: bill.get(),
            total: Some(money(total)),
            ..common
        },
        Outcome::Declined { user, total, reason } => GetPaymentResponse {
            status: PaymentStatus::Declined.into(),
            user_id: user.get(),
            total: Some(money(total)),
            decline_reason: reason.name().to_owned(),
            ..common
        },
        Outcome::Voided => GetPaymentResponse { status: PaymentStatus::Voided.into(), ..common },
        Outcome::Unspecified => GetPaymentResponse { status: PaymentStatus::Unspecified.into(), ..common },
    }
}

fn money(amount: Money) -> google_type::Money {
    let (units, nanos) = amount.to_units_nanos();
    google_type::Money { currency_code: amount.currency().code().to_owned(), units, nanos }
}

fn timestamp(ms: i64) -> prost_types::Timestamp {
    // Below 10^9, so it fits an i32.
    let nanos = i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap_or_default();
    prost_types::Timestamp { seconds: ms.div_euclid(1_000), nanos }
}
