//! The outcomes of requests, against the final state of their orders.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use order::{
    application::ORDER_TASK_MAX,
    domain::{Order, OrderId, Status},
};
use payment::domain::Payment;

use super::is_mismatch;
use crate::{
    client_requests::{Request, RequestOutcome},
    simulation::{Record, Simulation},
};

/// How long after it was sent a request may have an effect: the longest run of its task, and a late commit.
const ACTIVE_MAX: Duration = Duration::from_secs(ORDER_TASK_MAX.as_secs() + 30);

type Orders = BTreeMap<OrderId, Order>;
type Payments = BTreeMap<OrderId, Payment>;

/// Every request has an outcome, and every outcome is true.
pub(super) fn requests(sim: &Simulation, orders: &Orders, payments: &Payments) -> Vec<String> {
    let Record { requests, repeated_ids, .. } = &*sim.record();
    let mut violations = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let Some((at, outcome)) = &request.outcome else {
            violations.push(format!("request {number} has no outcome"));
            continue;
        };
        let order = outcome.order().and_then(|order| orders.get(&order));
        let holds = match outcome {
            RequestOutcome::NotCharged(_) => order.is_some_and(|order| {
                let others = requests.iter().enumerate().filter(|(other, _)| *other != number);
                let mut with_key = others.map(|(_, other)| other).filter(|other| same_key(request, other));
                let retried = with_key.any(|other| may_act_after(other, *at));
                let charged = is_charged(order, payments) || order.status != Status::NotCharged;
                is_of(request, order)
                    && was_not_charged(sim, order.id, request.sent, *at)
                        .is_some_and(|reopened| reopened || !charged || retried)
            }),
            // Another instance may have generated the same id, and saved its own order under it.
            RequestOutcome::OutcomeUnknown(order) if repeated_ids.contains(&order.get()) => true,
            _ => is_true(request, outcome, order),
        };
        if !holds {
            violations.push(format!("request {number} got {outcome:?}, and the order is {order:?}"));
        }
    }
    violations
}

/// The only request with a key placed its order under the id that OUTCOME_UNKNOWN named, unless another
/// instance had generated the same id.
pub(super) fn named_orders(sim: &Simulation, orders: &Orders) -> Vec<String> {
    let Record { requests, repeated_ids, .. } = &*sim.record();
    let mut violations = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let Some((_, RequestOutcome::OutcomeUnknown(named))) = request.outcome else { continue };
        let others = requests.iter().enumerate().filter(|(other, _)| *other != number);
        let is_only = request.key.is_some() && !others.into_iter().any(|(_, other)| same_key(request, other));
        let placed = orders.values().find(|order| has_key_of(request, order));
        let is_other = |order: &&Order| order.id != named && !repeated_ids.contains(&named.get());
        if let Some(placed) = placed.filter(is_other).filter(|_| is_only) {
            violations.push(format!("request {number} got {named}, and placed {}", placed.id));
        }
    }
    violations
}

/// `None` unless the order was NOT_CHARGED at some time between `sent` and `received`. `true` if another
/// request with the key had reopened it before `received`: the response may then report an earlier state.
fn was_not_charged(sim: &Simulation, order: OrderId, sent: Duration, received: Duration) -> Option<bool> {
    let history = sim.orders.history(order);
    let ends = history.iter().skip(1).map(|(at, _)| Some(*at)).chain([None]);
    let spans = history.iter().zip(ends).filter(|((_, status), _)| *status == Status::NotCharged);
    let overlapping =
        spans.filter(|((start, _), end)| *start <= received && end.is_none_or(|end| end >= sent));
    overlapping.map(|(_, end)| end.is_some_and(|end| end <= received)).max()
}

/// Whether the outcome agrees with the order, now and for ever.
fn is_true(request: &Request, outcome: &RequestOutcome, order: Option<&Order>) -> bool {
    let became = |status| order.is_some_and(|order| order.status == status && is_of(request, order));
    match outcome {
        RequestOutcome::Paid(..) => became(Status::Paid),
        RequestOutcome::Declined(..) => became(Status::Declined),
        RequestOutcome::Voided(_) => became(Status::Voided),
        RequestOutcome::InProgress(_) => order.is_some_and(|order| is_of(request, order)),
        RequestOutcome::KeyReused(_) => {
            order.is_some_and(|order| has_key_of(request, order) && order.fingerprint != request.fingerprint)
        }
        // The order may not have been saved.
        RequestOutcome::OutcomeUnknown(_) => order.is_none_or(|order| is_of(request, order)),
        RequestOutcome::NotCharged(_)
        | RequestOutcome::NotStarted
        | RequestOutcome::Lost
        | RequestOutcome::Disconnected => true,
    }
}

/// Whether Payment has recorded an outcome for the order, with the order's amount and user.
fn is_charged(order: &Order, payments: &Payments) -> bool {
    let payment = payments.get(&order.id);
    payment.is_some() && !is_mismatch(order, payment)
}

/// Whether the order is the one that the request places.
fn is_of(request: &Request, order: &Order) -> bool {
    has_key_of(request, order)
        && order.fingerprint == request.fingerprint
        && order.total == Some(request.total)
}

fn has_key_of(request: &Request, order: &Order) -> bool {
    order.user == request.user && request.key.as_ref().is_none_or(|key| *key == order.key)
}

fn same_key(one: &Request, other: &Request) -> bool {
    one.key.is_some() && (one.user, &one.key) == (other.user, &other.key)
}

/// Whether the request may have an effect after `moment`: it is sent later, or its task may still run then.
fn may_act_after(request: &Request, moment: Duration) -> bool {
    let ended = request.outcome.as_ref().is_some_and(|(at, outcome)| {
        let may_still_run = matches!(
            outcome,
            RequestOutcome::OutcomeUnknown(_)
                | RequestOutcome::InProgress(_)
                | RequestOutcome::Lost
                | RequestOutcome::Disconnected
        );
        *at <= moment && !may_still_run
    });
    request.sent >= moment || (!ended && request.sent + ACTIVE_MAX > moment)
}

/// There is one order per key, and none where every request with the key had no effect.
pub(super) fn keys(sim: &Simulation, orders: &Orders) -> Vec<String> {
    let mut violations = Vec::new();
    let mut seen = BTreeSet::new();
    for order in orders.values() {
        if !seen.insert((order.user, order.key.as_str())) {
            violations.push(format!("order {} is a second one with its key", order.id));
        }
    }
    let requests = &sim.record().requests;
    for request in requests.iter().filter(|request| request.key.is_some()) {
        let had_no_effect = |one: &Request| matches!(one.outcome, Some((_, RequestOutcome::NotStarted)));
        let with_key = || requests.iter().filter(|other| same_key(request, other));
        let order = orders.values().find(|order| has_key_of(request, order));
        if with_key().all(had_no_effect)
            && let Some(order) = order
        {
            violations.push(format!("no request placed order {}", order.id));
        }
        let replayed = matches!(
            request.outcome,
            Some((_, RequestOutcome::Paid(_, true) | RequestOutcome::Declined(_, true)))
        );
        if replayed && with_key().count() == 1 {
            violations.push(format!("order {order:?} was replayed to its only request"));
        }
    }
    violations
}

/// An intent that was retried to the end has a final outcome, unless its payment differs from the order.
pub(super) fn without_final_outcome(sim: &Simulation, orders: &Orders, payments: &Payments) -> Vec<String> {
    let intents = &sim.record().without_final_outcome;
    let wrong = intents.iter().filter(|intent| {
        let user_and_key = (intent.draft.user(), intent.key.as_ref());
        let order = orders.values().find(|order| (order.user, Some(&order.key)) == user_and_key);
        !order.is_some_and(|order| is_mismatch(order, payments.get(&order.id)))
    });
    wrong
        .map(|intent| format!("no final outcome of key {:?}", intent.key.as_ref().map(|key| key.as_str())))
        .collect()
}
