//! The two databases: each by itself, and against each other.

use std::{collections::BTreeMap, time::Duration};

use order::domain::{Order, OrderId, Status};
use payment::domain::{Account, Outcome, Payment};

use super::{answered, is_mismatch};
use crate::world::World;

/// Where nothing goes wrong, an order is settled within this time, whoever left: before any reconciler looks.
const CALM_SETTLED_WITHIN: Duration = Duration::from_secs(1);

/// What was charged to an account is the sum of its charges, and within its limit.
pub(super) fn accounts(world: &World) -> Vec<String> {
    let payments = world.payments.fake.payments();
    let accounts = world.payments.fake.accounts().into_iter();
    let wrong = accounts.filter_map(|Account { user, limit, charged, .. }| {
        let charges = payments.iter().filter_map(|payment| match payment.outcome {
            Outcome::Charged { user: whose, total, .. }
                if (whose, total.currency()) == (user, limit.currency()) =>
            {
                Some(total.minor())
            }
            _ => None,
        });
        let sum: i64 = charges.sum();
        let holds = sum == charged.minor() && sum <= limit.minor();
        (!holds).then(|| {
            let code = limit.currency();
            format!("account {user} {code}: charged {charged} of {limit}, by payments of {sum}")
        })
    });
    wrong.collect()
}

/// Every order is what Payment's record makes it.
pub(super) fn orders(
    orders: &BTreeMap<OrderId, Order>,
    payments: &BTreeMap<OrderId, Payment>,
) -> Vec<String> {
    let wrong = orders.values().filter_map(|order| {
        let payment = payments.get(&order.id);
        let holds = match order.status {
            Status::Paid | Status::Declined | Status::Voided => {
                payment.map(answered) == Some(order.status) && !is_mismatch(order, payment)
            }
            Status::NotCharged => payment.is_none() || is_mismatch(order, payment),
            Status::Pending => is_mismatch(order, payment),
        };
        (!holds).then(|| format!("order {} is {:?}, its payment {payment:?}", order.id, order.status))
    });
    wrong.collect()
}

/// Every record of Payment's is of an order that became what it says.
pub(super) fn payments(
    orders: &BTreeMap<OrderId, Order>,
    payments: &BTreeMap<OrderId, Payment>,
) -> Vec<String> {
    let wrong = payments.iter().filter_map(|(id, payment)| {
        let holds = orders
            .get(id)
            .is_some_and(|order| order.status == answered(payment) || is_mismatch(order, Some(payment)));
        (!holds).then(|| format!("payment {payment:?} is of {:?}", orders.get(id).map(|order| order.status)))
    });
    wrong.collect()
}

/// Where nothing goes wrong, whoever placed an order has settled it.
pub(super) fn calm(world: &World, orders: &BTreeMap<OrderId, Order>) -> Vec<String> {
    if !world.plan.calm {
        return Vec::new();
    }
    let slow = orders.keys().filter_map(|id| match world.orders.history(*id)[..] {
        [(placed, _), (settled, status)]
            if settled - placed <= CALM_SETTLED_WITHIN && status != Status::NotCharged =>
        {
            None
        }
        ref history => Some(format!("order {id} took its time on a calm day: {history:?}")),
    });
    slow.collect()
}
