//! The invariant between one order and its payment.

use std::fmt;

use order::domain::{OrderSummary, Status as OrderStatus};
use payment::domain::{Outcome, Payment};

/// An order and a payment that violate the invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The id of the order.
    pub order: i64,
    /// The two states, in words.
    pub what: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {}: {}", self.order, self.what)
    }
}

/// The disagreement between an order and its payment; `None` for a PENDING order.
pub(super) fn disagreement(order: Option<&OrderSummary>, payment: Option<&Payment>) -> Option<Disagreement> {
    let agree = match (order, payment) {
        (None, None) => true,
        // A declined charge or a tombstone moves no money, so it needs no order.
        (None, Some(payment)) => matches!(payment.outcome, Outcome::Declined { .. } | Outcome::Voided),
        (Some(order), payment) => agrees(order, payment),
    };
    let id = order.map(|order| order.order.get()).or(payment.map(|payment| payment.order.get()));
    let what = || format!("{}, but {}", in_orders(order), in_payments(payment));
    id.filter(|_| !agree).map(|order| Disagreement { order, what: what() })
}

fn agrees(order: &OrderSummary, payment: Option<&Payment>) -> bool {
    let outcome = payment.map(|payment| payment.outcome);
    match (order.status, outcome) {
        (OrderStatus::Pending, _) => true,
        // Payment has what the operator knew of.
        (OrderStatus::Voided, Some(_)) if order.resolved => true,
        (OrderStatus::Paid, Some(Outcome::Charged { user, total, .. })) => {
            (user.get(), Some(total)) == (order.user.get(), order.total)
        }
        (OrderStatus::Declined, Some(Outcome::Declined { .. })) => true,
        (OrderStatus::Voided, Some(Outcome::Voided)) => true,
        (OrderStatus::NotCharged, outcome) => outcome.is_none(),
        _ => false,
    }
}

fn in_orders(order: Option<&OrderSummary>) -> String {
    order.map_or_else(
        || "unknown to Order".to_owned(),
        |order| {
            let (status, user) = (order.status.name(), order.user.get());
            match order.total {
                Some(total) => format!("{status}, {total} {} of user {user}", total.currency()),
                None => format!("{status}, an amount in an unknown currency of user {user}"),
            }
        },
    )
}

fn in_payments(payment: Option<&Payment>) -> String {
    let Some(payment) = payment else { return "unknown to Payment".to_owned() };
    let name = payment.outcome.status().name();
    match payment.outcome {
        Outcome::Charged { user, total, .. } | Outcome::Declined { user, total, .. } => {
            format!("Payment has {name}, {total} {} of user {user}", total.currency())
        }
        Outcome::Voided | Outcome::Unspecified => format!("Payment has {name}"),
    }
}

#[cfg(test)]
mod tests {
    use money::{Currency, Money};
    use order::domain::{OrderId, UserId};
    use payment::domain::{self as paid, BillId, DeclineReason, PaymentId};

    use super::*;

    fn money(minor: i64) -> Money {
        Money::from_minor(Currency::USD, minor).unwrap()
    }

    fn order(status: OrderStatus) -> OrderSummary {
        let (order, user) = (OrderId::new(7).unwrap(), UserId::new(1).unwrap());
        OrderSummary { order, user, total: Some(money(12)), status, resolved: false, fence: 1 }
    }

    fn payment(outcome: Outcome) -> Payment {
        Payment {
            id: PaymentId::new(1).unwrap(),
            order: paid::OrderId::new(7).unwrap(),
            outcome,
            created_ms: 0,
        }
    }

    fn charged(user: i64, minor: i64) -> Payment {
        let (user, bill) = (paid::UserId::new(user).unwrap(), BillId::new(1).unwrap());
        payment(Outcome::Charged { user, total: money(minor), bill })
    }

    fn declined() -> Payment {
        let (user, reason) = (paid::UserId::new(1).unwrap(), DeclineReason::InsufficientBalance);
        payment(Outcome::Declined { user, total: money(12), reason })
    }

    #[test]
    fn each_status_agrees_with_one_outcome_only() {
        let payments = [None, Some(charged(1, 12)), Some(declined()), Some(payment(Outcome::Voided))];
        for (status, agreeing) in [
            (OrderStatus::NotCharged, 0),
            (OrderStatus::Paid, 1),
            (OrderStatus::Declined, 2),
            (OrderStatus::Voided, 3),
        ] {
            for (index, payment) in payments.iter().enumerate() {
                let found = disagreement(Some(&order(status)), payment.as_ref());
                assert_eq!(found.is_none(), index == agreeing, "{status:?} {payment:?}");
            }
        }
    }

    #[test]
    fn unknown_values_are_reported_for_their_order_only() {
        let unspecified = order(OrderStatus::Unspecified);
        assert!(disagreement(Some(&unspecified), Some(&charged(1, 12))).is_some());
        let unknown = OrderSummary { total: None, ..order(OrderStatus::Paid) };
        let found = disagreement(Some(&unknown), Some(&charged(1, 12))).unwrap();
        assert_eq!(
            found.what,
            "PAID, an amount in an unknown currency of user 1, but Payment has CHARGED, 0.12 USD of user 1"
        );
        let found = disagreement(Some(&order(OrderStatus::Paid)), Some(&payment(Outcome::Unspecified)));
        assert!(found.unwrap().what.ends_with("but Payment has UNSPECIFIED"));
        assert!(disagreement(None, Some(&payment(Outcome::Unspecified))).is_some());
    }

    #[test]
    fn a_voided_order_agrees_with_the_mismatch_that_an_operator_resolved() {
        let voided = order(OrderStatus::Voided);
        let resolved = OrderSummary { resolved: true, ..voided };
        assert_eq!(disagreement(Some(&resolved), Some(&charged(2, 13))), None);
        assert!(disagreement(Some(&voided), Some(&charged(2, 13))).is_some());
        assert!(disagreement(Some(&resolved), None).is_some());
    }

    #[test]
    fn a_pending_order_agrees_with_every_outcome() {
        for payment in [None, Some(charged(2, 13)), Some(declined())] {
            assert_eq!(disagreement(Some(&order(OrderStatus::Pending)), payment.as_ref()), None);
        }
    }

    #[test]
    fn another_amount_or_user_is_reported_with_both_states() {
        for (other, expected) in [
            (charged(1, 13), "PAID, 0.12 USD of user 1, but Payment has CHARGED, 0.13 USD of user 1"),
            (charged(2, 12), "PAID, 0.12 USD of user 1, but Payment has CHARGED, 0.12 USD of user 2"),
        ] {
            let found = disagreement(Some(&order(OrderStatus::Paid)), Some(&other)).unwrap();
            assert_eq!(found.to_string(), format!("order 7: {expected}"));
        }
    }

    #[test]
    fn a_charge_without_an_order_is_reported_and_other_payments_are_not() {
        let found = disagreement(None, Some(&charged(1, 12))).unwrap();
        assert_eq!(
            found.to_string(),
            "order 7: unknown to Order, but Payment has CHARGED, 0.12 USD of user 1"
        );
        assert_eq!(disagreement(None, Some(&declined())), None);
        assert_eq!(disagreement(None, Some(&payment(Outcome::Voided))), None);
    }
}
