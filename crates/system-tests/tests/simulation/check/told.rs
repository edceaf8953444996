//! What customers were told, against what became of their orders.

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
    requests::{Request, Told},
    world::{Record, World},
};

/// How long after it was sent a request may still do something: its driver, and a commit of its that lands late.
const AT_WORK_MAX: Duration = Duration::from_secs(ORDER_TASK_MAX.as_secs() + 30);

type Orders = BTreeMap<OrderId, Order>;
type Payments = BTreeMap<OrderId, Payment>;

/// Every answer is true.
pub(super) fn requests(world: &World, orders: &Orders, payments: &Payments) -> Vec<String> {
    let Record { requests, repeated, .. } = &*world.record();
    let mut found = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let Some((at, told)) = &request.told else {
            found.push(format!("request {number} was never answered"));
            continue;
        };
        let named = told.order().and_then(|order| orders.get(&order));
        let holds = match told {
            Told::NotCharged(_) => named.is_some_and(|order| {
                let others = requests.iter().enumerate().filter(|(other, _)| *other != number);
                let mut under_key = others.map(|(_, other)| other).filter(|other| same_key(request, other));
                let tried_again = under_key.any(|other| may_act_after(other, *at));
                let charged = is_answered(order, payments) || order.status != Status::NotCharged;
                is_its(request, order)
                    && was_not_charged(world, order.id, request.sent, *at)
                        .is_some_and(|reopened| reopened || !charged || tried_again)
            }),
            // What it may have saved under an id that another instance drew is perhaps the other's.
            Told::OutcomeUnknown(order) if repeated.contains(&order.get()) => true,
            _ => is_true(request, told, named),
        };
        if !holds {
            found.push(format!("request {number} was told {told:?} of {named:?}"));
        }
    }
    found
}

/// `None` unless the order was NOT_CHARGED at some moment between these two; and whether another request with the key had
/// reopened it by the second, on which an answer is told that was read before.
fn was_not_charged(world: &World, order: OrderId, sent: Duration, told: Duration) -> Option<bool> {
    let history = world.orders.history(order);
    let until = history.iter().skip(1).map(|(at, _)| Some(*at)).chain([None]);
    let spans = history.iter().zip(until).filter(|((_, status), _)| *status == Status::NotCharged);
    let read = spans.filter(|((from, _), to)| *from <= told && to.is_none_or(|to| to >= sent));
    read.map(|(_, to)| to.is_some_and(|to| to <= told)).max()
}

/// Whether what was told of the order holds for ever.
fn is_true(request: &Request, told: &Told, named: Option<&Order>) -> bool {
    let became = |status| named.is_some_and(|order| order.status == status && is_its(request, order));
    match told {
        Told::Paid(..) => became(Status::Paid),
        Told::Declined(..) => became(Status::Declined),
        Told::Voided(_) => became(Status::Voided),
        Told::InProgress(_) => named.is_some_and(|order| is_its(request, order)),
        Told::KeyReused(_) => named
            .is_some_and(|order| is_under_its_key(request, order) && order.fingerprint != request.meaning),
        // It may never have been saved.
        Told::OutcomeUnknown(_) => named.is_none_or(|order| is_its(request, order)),
        Told::NotCharged(_) | Told::NotStarted | Told::Lost | Told::HungUp => true,
    }
}

/// Whether Payment has recorded something for the order, as the order is.
fn is_answered(order: &Order, payments: &Payments) -> bool {
    let payment = payments.get(&order.id);
    payment.is_some() && !is_mismatch(order, payment)
}

/// Whether the order is what the request asked for, as far as it said.
fn is_its(request: &Request, order: &Order) -> bool {
    is_under_its_key(request, order) && order.fingerprint == request.meaning && order.total == request.total
}

fn is_under_its_key(request: &Request, order: &Order) -> bool {
    order.user == request.user && request.key.as_ref().is_none_or(|key| *key == order.key)
}

fn same_key(one: &Request, other: &Request) -> bool {
    one.key.is_some() && (one.user, &one.key) == (other.user, &other.key)
}

/// Whether the request may do something after this moment: it is sent later, or has not been told how it ended
/// by then and may still be at work.
fn may_act_after(request: &Request, moment: Duration) -> bool {
    let ended = request.told.as_ref().is_some_and(|(at, told)| {
        let at_work =
            matches!(told, Told::OutcomeUnknown(_) | Told::InProgress(_) | Told::Lost | Told::HungUp);
        *at <= moment && !at_work
    });
    request.sent >= moment || (!ended && request.sent + AT_WORK_MAX > moment)
}

/// Under one key there is one order, and none where every request was told that it did nothing.
pub(super) fn keys(world: &World, orders: &Orders) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for order in orders.values() {
        if !seen.insert((order.user, order.key.as_str())) {
            found.push(format!("order {} is a second one under its key", order.id));
        }
    }
    let requests = &world.record().requests;
    for request in requests.iter().filter(|request| request.key.is_some()) {
        let did_nothing = |one: &Request| matches!(one.told, Some((_, Told::NotStarted)));
        let under_key = || requests.iter().filter(|other| same_key(request, other));
        let order = orders.values().find(|order| is_under_its_key(request, order));
        if under_key().all(did_nothing)
            && let Some(order) = order
        {
            found.push(format!("order {} was placed by nobody", order.id));
        }
        let replayed = matches!(request.told, Some((_, Told::Paid(_, true) | Told::Declined(_, true))));
        if replayed && under_key().count() == 1 {
            found.push(format!("order {order:?} was replayed to who asked first"));
        }
    }
    found
}

/// Whoever asked to the end was answered for good, but where Payment knows the order otherwise.
pub(super) fn unanswered(world: &World, orders: &Orders, payments: &Payments) -> Vec<String> {
    let wishes = &world.record().unanswered;
    let wrong = wishes.iter().filter(|wish| {
        let user_and_key = (wish.draft.user(), wish.key.as_ref());
        let order = orders.values().find(|order| (order.user, Some(&order.key)) == user_and_key);
        !order.is_some_and(|order| is_mismatch(order, payments.get(&order.id)))
    });
    wrong
        .map(|wish| format!("{:?} was never answered for good", wish.key.as_ref().map(|key| key.as_str())))
        .collect()
}
