//! The rows of the two stores: each by itself, and against each other.

use std::{collections::BTreeMap, time::Duration};

use order::domain::{Order, OrderId, Status};
use payment::domain::{Account, Outcome, Payment};

use super::{is_mismatch, status_of};
use crate::simulation::Simulation;

/// Without faults, the request itself settles its order, even where the client disconnects: long before a
/// reconciler does.
const FAULT_FREE_SETTLED_MAX: Duration = Duration::from_secs(1);

/// The balance of an account is the sum of its charges, and within its limit.
pub(super) fn accounts(sim: &Simulation) -> Vec<String> {
    let payments = sim.payments.fake.payments();
    let accounts = sim.payments.fake.accounts().into_iter();
    let wrong = accounts.filter_map(|Account { user, limit, charged, .. }| {
        let charges = payments.iter().filter_map(|payment| match payment.outcome {
            Outcome::Charged { user: charged_user, total, .. }
                if (charged_user, total.currency()) == (user, limit.currency()) =>
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

/// The status of every order agrees with its payment.
pub(super) fn orders(
    orders: &BTreeMap<OrderId, Order>,
    payments: &BTreeMap<OrderId, Payment>,
) -> Vec<String> {
    let wrong = orders.values().filter_map(|order| {
        let payment = payments.get(&order.id);
        let holds = match order.status {
            Status::Paid | Status::Declined | Status::Voided => {
                payment.map(status_of) == Some(order.status) && !is_mismatch(order, payment)
            }
            Status::NotCharged => payment.is_none() || is_mismatch(order, payment),
            Status::Pending => is_mismatch(order, payment),
            Status::Unspecified => false,
        };
        (!holds).then(|| format!("order {} is {:?}, its payment {payment:?}", order.id, order.status))
    });
    wrong.collect()
}

/// Every payment has an order whose status agrees with it.
pub(super) fn payments(
    orders: &BTreeMap<OrderId, Order>,
    payments: &BTreeMap<OrderId, Payment>,
) -> Vec<String> {
    let wrong = payments.iter().filter_map(|(id, payment)| {
        let holds = orders
            .get(id)
            .is_some_and(|order| order.status == status_of(payment) || is_mismatch(order, Some(payment)));
        (!holds).then(|| {
            let status = orders.get(id).map(|order| order.status);
            format!("payment {payment:?} of an order that is {status:?}")
        })
    });
    wrong.collect()
}

/// Without faults, every order changes its status once, soon.
pub(super) fn fault_free(sim: &Simulation, orders: &BTreeMap<OrderId, Order>) -> Vec<String> {
    if !sim.plan.fault_free {
        return Vec::new();
    }
    let slow = orders.keys().filter_map(|id| match sim.orders.history(*id)[..] {
        [(placed, _), (settled, status)]
            if settled - placed <= FAULT_FREE_SETTLED_MAX && status != Status::NotCharged =>
        {
            None
        }
        ref history => Some(format!("order {id} was slow in a run without faults: {history:?}")),
    });
    slow.collect()
}
