//! Charge requests, and the replies to them once the payment is recorded.

use money::Money;

use super::{BillId, DeclineReason, OrderId, Outcome, Payment, PaymentId, UserId};

/// An amount that can be charged: above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total(Money);

impl Total {
    /// `None` if `amount` is 0.
    pub fn new(amount: Money) -> Option<Self> {
        (!amount.is_zero()).then_some(Self(amount))
    }

    /// The amount.
    pub fn get(self) -> Money {
        self.0
    }
}

/// A request to charge a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeRequest {
    /// The order.
    pub order: OrderId,
    /// The customer.
    pub user: UserId,
    /// The amount.
    pub total: Total,
}

/// The reply to a charge request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeReply {
    /// Charged, now or before.
    Charged {
        /// The id of the payment.
        payment: PaymentId,
        /// The bill of the charge.
        bill: BillId,
    },
    /// Declined; this is final.
    Declined(DeclineReason),
    /// The order was voided before; nothing is charged.
    Voided,
    /// The payment has another amount, currency or user; nothing is charged.
    Mismatch,
}

impl Payment {
    /// The reply to `request`, which is for the same order.
    ///
    /// A VOIDED payment has no amount to compare, so the reply to every request is VOIDED. One that this program
    /// cannot read does not confirm a charge either: as for a mismatch, an operator must look.
    pub fn reply_to(&self, request: &ChargeRequest) -> ChargeReply {
        let same = |user: UserId, total: Money| user == request.user && total == request.total.get();
        match self.outcome {
            Outcome::Voided => ChargeReply::Voided,
            Outcome::Unspecified => ChargeReply::Mismatch,
            Outcome::Charged { user, total, .. } | Outcome::Declined { user, total, .. }
                if !same(user, total) =>
            {
                ChargeReply::Mismatch
            }
            Outcome::Charged { bill, .. } => ChargeReply::Charged { payment: self.id, bill },
            Outcome::Declined { reason, .. } => ChargeReply::Declined(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use money::Currency;

    use super::*;

    fn charge_request(user: i64, code: &str, minor: i64) -> ChargeRequest {
        let amount = Money::from_minor(Currency::from_code(code).unwrap(), minor).unwrap();
        ChargeRequest {
            order: OrderId::new(12).unwrap(),
            user: UserId::new(user).unwrap(),
            total: Total::new(amount).unwrap(),
        }
    }

    fn payment(outcome: Outcome) -> Payment {
        Payment { id: PaymentId::new(7).unwrap(), order: OrderId::new(12).unwrap(), outcome, created_ms: 0 }
    }

    #[test]
    fn a_repeated_request_gets_the_recorded_outcome() {
        let request = charge_request(123, "USD", 3_200);
        let (user, total, bill) = (request.user, request.total.get(), BillId::new(8).unwrap());
        let charged = payment(Outcome::Charged { user, total, bill });
        assert_eq!(charged.reply_to(&request), ChargeReply::Charged { payment: charged.id, bill });
        let reason = DeclineReason::InsufficientBalance;
        let declined = payment(Outcome::Declined { user, total, reason });
        assert_eq!(declined.reply_to(&request), ChargeReply::Declined(reason));
    }

    #[test]
    fn another_amount_currency_or_user_is_a_mismatch() {
        let request = charge_request(123, "USD", 3_200);
        let (user, total, bill) = (request.user, request.total.get(), BillId::new(8).unwrap());
        let reason = DeclineReason::InsufficientBalance;
        for outcome in [Outcome::Charged { user, total, bill }, Outcome::Declined { user, total, reason }] {
            for other in [
                charge_request(123, "USD", 3_201),
                charge_request(123, "EUR", 3_200),
                charge_request(124, "USD", 3_200),
            ] {
                assert_eq!(payment(outcome).reply_to(&other), ChargeReply::Mismatch);
            }
        }
    }

    #[test]
    fn a_voided_payment_replies_voided_to_every_request() {
        for request in [charge_request(1, "USD", 1), charge_request(2, "JPY", Money::MINOR_MAX)] {
            assert_eq!(payment(Outcome::Voided).reply_to(&request), ChargeReply::Voided);
        }
    }

    #[test]
    fn an_unspecified_payment_confirms_no_request() {
        let request = charge_request(1, "USD", 1);
        assert_eq!(payment(Outcome::Unspecified).reply_to(&request), ChargeReply::Mismatch);
    }

    #[test]
    fn a_total_of_zero_is_rejected() {
        assert_eq!(Total::new(Money::zero(Currency::USD)), None);
    }
}
