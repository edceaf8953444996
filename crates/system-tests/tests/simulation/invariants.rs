//! The invariants at the end of a run: the rows of both stores, the final state of each order, and the
//! outcomes of requests.

mod databases;
mod responses;

use std::{collections::BTreeMap, sync::Arc};

use order::domain::{Order, OrderId, Status};
use payment::domain::{Outcome, Payment};

use crate::{network::to_payment_request, simulation::Simulation};

/// Checks all invariants, and reports every violation.
pub(crate) fn check_all(sim: &Arc<Simulation>) {
    let orders: BTreeMap<OrderId, Order> =
        sim.orders.fake.all().into_iter().map(|order| (order.id, order)).collect();
    let payments = payments(sim);
    let violations = [
        databases::accounts(sim),
        databases::orders(&orders, &payments),
        databases::payments(&orders, &payments),
        databases::fault_free(sim, &orders),
        responses::requests(sim, &orders, &payments),
        responses::named_orders(sim, &orders),
        responses::keys(sim, &orders),
        responses::without_final_outcome(sim, &orders, &payments),
    ];
    for violation in violations.into_iter().flatten() {
        sim.report_violation(violation);
    }
}

/// The payments, by the id of their order.
pub(crate) fn payments(sim: &Simulation) -> BTreeMap<OrderId, Payment> {
    let payments = sim.payments.fake.payments().into_iter();
    payments.map(|payment| (OrderId::new(payment.order.get()).unwrap(), payment)).collect()
}

/// Whether the payment has another amount, currency or user than the order.
pub(crate) fn is_mismatch(order: &Order, payment: Option<&Payment>) -> bool {
    let expected = to_payment_request(&order.charge().unwrap());
    payment.is_some_and(|payment| match payment.outcome {
        Outcome::Voided | Outcome::Unspecified => false,
        Outcome::Charged { user, total, .. } | Outcome::Declined { user, total, .. } => {
            (user, total) != (expected.user, expected.total.get())
        }
    })
}

/// The status of an order with this payment.
fn status_of(payment: &Payment) -> Status {
    match payment.outcome {
        Outcome::Charged { .. } => Status::Paid,
        Outcome::Declined { .. } => Status::Declined,
        Outcome::Voided => Status::Voided,
        Outcome::Unspecified => Status::Unspecified,
    }
}
