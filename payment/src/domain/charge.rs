//! What is asked for with a charge, and what a record that is there means for who asks.

use money::Money;

use super::{BillId, DeclineReason, OrderId, Outcome, Payment, PaymentId, UserId};

/// An amount that can be charged: above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total(Money);

impl Total {
    /// The amount, if it is above 0.
    pub fn new(amount: Money) -> Option<Self> {
        (!amount.is_zero()).then_some(Self(amount))
    }

    /// The amount.
    pub fn get(self) -> Money {
        self.0
    }
}

/// A charge that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeRequest {
    /// What is paid for.
    pub order: OrderId,
    /// Who pays.
    pub user: UserId,
    /// How much.
    pub total: Total,
}

/// What who asks for a charge is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeReply {
    /// Charged, now or before.
    Charged {
        /// The record of it.
        payment: PaymentId,
        /// The bill it is on.
        bill: BillId,
    },
    /// Refused, for good.
    Declined(DeclineReason),
    /// The order was given up before; nothing is charged.
    Voided,
    /// The order is known with another amount, currency or user; nothing more is charged.
    Mismatch,
}

impl Payment {
    /// What this record, which is the order's first and last, means for who asks for `request`.
    ///
    /// A tombstone has no amount to compare, so that VOIDED is told before anything is compared.
    pub fn reply_to(&self, request: &ChargeRequest) -> ChargeReply {
        let same = |user: UserId, total: Money| user == request.user && total == request.total.get();
        match self.outcome {
            Outcome::Voided => ChargeReply::Voided,
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

    fn request(user: i64, code: &str, minor: i64) -> ChargeRequest {
        let amount = Money::from_minor(Currency::from_code(code).unwrap(), minor).unwrap();
        ChargeRequest {
            order: OrderId::new(12).unwrap(),
            user: UserId::new(user).unwrap(),
            total: Total::new(amount).unwrap(),
        }
    }

    fn recorded(outcome: Outcome) -> Payment {
        Payment { id: PaymentId::new(7).unwrap(), order: OrderId::new(12).unwrap(), outcome, created_ms: 0 }
    }

    #[test]
    fn a_record_answers_the_request_that_made_it_as_it_was_recorded() {
        let asked = request(123, "USD", 3_200);
        let (user, total, bill) = (asked.user, asked.total.get(), BillId::new(8).unwrap());
        let charged = recorded(Outcome::Charged { user, total, bill });
        assert_eq!(charged.reply_to(&asked), ChargeReply::Charged { payment: charged.id, bill });
        let reason = DeclineReason::InsufficientBalance;
        let declined = recorded(Outcome::Declined { user, total, reason });
        assert_eq!(declined.reply_to(&asked), ChargeReply::Declined(reason));
    }

    #[test]
    fn another_amount_currency_or_user_is_a_mismatch() {
        let asked = request(123, "USD", 3_200);
        let (user, total, bill) = (asked.user, asked.total.get(), BillId::new(8).unwrap());
        let reason = DeclineReason::InsufficientBalance;
        for outcome in [Outcome::Charged { user, total, bill }, Outcome::Declined { user, total, reason }] {
            for other in [request(123, "USD", 3_201), request(123, "EUR", 3_200), request(124, "USD", 3_200)]
            {
                assert_eq!(recorded(outcome).reply_to(&other), ChargeReply::Mismatch);
            }
        }
    }

    #[test]
    fn a_tombstone_answers_every_request_with_voided() {
        for asked in [request(1, "USD", 1), request(2, "JPY", Money::MINOR_MAX)] {
            assert_eq!(recorded(Outcome::Voided).reply_to(&asked), ChargeReply::Voided);
        }
    }

    #[test]
    fn nothing_is_no_total() {
        assert_eq!(Total::new(Money::zero(Currency::USD)), None);
    }
}
