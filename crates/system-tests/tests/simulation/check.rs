//! What must hold when a run is over: the books, what each order became, and what customers were told.

mod books;
mod told;

use std::{collections::BTreeMap, sync::Arc};

use order::domain::{Order, OrderId, Status};
use payment::domain::{Outcome, Payment};

use crate::{network::translated, world::World};

/// Checks everything.
pub(crate) fn all(world: &Arc<World>) {
    let orders: BTreeMap<OrderId, Order> =
        world.orders.fake.all().into_iter().map(|order| (order.id, order)).collect();
    let payments = payments(world);
    let found = [
        books::accounts(world),
        books::orders(&orders, &payments),
        books::payments(&orders, &payments),
        books::calm(world, &orders),
        told::requests(world, &orders, &payments),
        told::keys(world, &orders),
        told::unanswered(world, &orders, &payments),
    ];
    for violation in found.into_iter().flatten() {
        world.violated(violation);
    }
}

/// What Payment recorded, by the order's id.
pub(crate) fn payments(world: &World) -> BTreeMap<OrderId, Payment> {
    let payments = world.payments.fake.payments().into_iter();
    payments.map(|payment| (OrderId::new(payment.order.get()).unwrap(), payment)).collect()
}

/// Whether Payment knows the order with another amount, currency or user.
pub(crate) fn is_mismatch(order: &Order, payment: Option<&Payment>) -> bool {
    let asked = translated(&order.charge());
    payment.is_some_and(|payment| match payment.outcome {
        Outcome::Voided => false,
        Outcome::Charged { user, total, .. } | Outcome::Declined { user, total, .. } => {
            (user, total) != (asked.user, asked.total.get())
        }
    })
}

/// What Payment's record makes of an order.
fn answered(payment: &Payment) -> Status {
    match payment.outcome {
        Outcome::Charged { .. } => Status::Paid,
        Outcome::Declined { .. } => Status::Declined,
        Outcome::Voided => Status::Voided,
    }
}
