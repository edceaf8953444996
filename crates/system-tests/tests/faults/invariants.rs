//! The invariants of every run: the recorded responses agree with the rows, and the two databases with each
//! other.

use std::collections::{BTreeMap, BTreeSet};

use system_tests::client::{Attempt, History, Response};
use test_support::Failed;

use crate::db_snapshot::{OrderRow, PaymentRow, Snapshot};

pub(crate) mod invariants_test;

/// Checks `histories` against `snapshot`, which was taken after the last write.
///
/// # Errors
///
/// Every violation, one per line.
pub(crate) fn check_invariants(histories: &[History], snapshot: &Snapshot) -> Result<(), Failed> {
    let mut checker = Checker::new(histories, snapshot);
    checker.check_databases();
    for history in histories {
        checker.check_history(history);
    }
    match checker.violations.as_slice() {
        [] => Ok(()),
        violations => Err(format!("{} violations:\n{}", violations.len(), violations.join("\n")).into()),
    }
}

struct Checker<'a> {
    snapshot: &'a Snapshot,
    orders: BTreeMap<(i64, &'a str), Vec<&'a OrderRow>>,
    payments: BTreeMap<i64, &'a PaymentRow>,
    /// The number of clients that used this key of this user. Another client may have changed the order after
    /// the last response of this one.
    clients: BTreeMap<(i64, &'a str), usize>,
    violations: Vec<String>,
}

impl<'a> Checker<'a> {
    fn new(histories: &'a [History], snapshot: &'a Snapshot) -> Self {
        let mut clients: BTreeMap<_, usize> = BTreeMap::new();
        for History { request, .. } in histories {
            *clients.entry((request.user, request.key.as_str())).or_default() += 1;
        }
        let mut orders: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for order in &snapshot.orders {
            orders.entry((order.user, order.key.as_str())).or_default().push(order);
        }
        let payments = snapshot.payments.iter().map(|payment| (payment.order, payment)).collect();
        Self { snapshot, orders, payments, clients, violations: Vec::new() }
    }

    fn require(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(violation());
        }
    }

    /// PAID ⇔ CHARGED with equal amounts, in both directions; every state is final; every balance is the sum
    /// of charges.
    fn check_databases(&mut self) {
        for order in &self.snapshot.orders {
            let payment = self.payments.get(&order.id).copied();
            let agrees = match (order.status.as_str(), payment) {
                ("PAID", Some(payment)) => is_charge_of(payment, order),
                ("DECLINED" | "VOIDED", Some(payment)) => payment.status == order.status,
                ("NOT_CHARGED", payment) => payment.is_none(),
                // PENDING is not final; no other state exists.
                _ => false,
            };
            self.require(agrees, || format!("the databases disagree: {order:?}, {payment:?}"));
        }
        let orders: BTreeSet<i64> = self.snapshot.orders.iter().map(|order| order.id).collect();
        for payment in self.snapshot.payments.iter().filter(|payment| !orders.contains(&payment.order)) {
            self.violations.push(format!("a payment without an order: {payment:?}"));
        }
        for account in &self.snapshot.unbalanced {
            self.violations.push(format!("a balance that is not the sum of its charges: {account:?}"));
        }
    }

    fn check_history(&mut self, history: &History) {
        let request = &history.request;
        let rows = self.orders.get(&(request.user, request.key.as_str())).cloned().unwrap_or_default();
        self.require(rows.len() <= 1, || format!("{} has {} orders: {rows:?}", request.key, rows.len()));
        let row = rows.first().copied();
        self.require(row.is_none_or(|row| row.minor == request.minor), || {
            format!("{request:?} was saved as {row:?}")
        });
        let sole_client = self.clients.get(&(request.user, request.key.as_str())) == Some(&1);
        for (index, attempt) in history.attempts.iter().enumerate() {
            let Some(response) = &attempt.response else { continue };
            let was_last = sole_client
                && index + 1 == history.attempts.len()
                && are_finished(&history.attempts[..index]);
            self.require(is_true(response, row, was_last), || {
                format!(
                    "{}: attempt {index} got, after {:?}, {response:?}; the row is {row:?}",
                    request.key,
                    attempt.received - attempt.sent
                )
            });
        }
        let never_started = history.attempts.iter().all(|attempt| {
            attempt.response.as_ref().is_some_and(|response| response.reason == "NOT_STARTED")
        });
        self.require(!(never_started && sole_client) || row.is_none(), || {
            format!("{} was never started, and is {row:?}", request.key)
        });
    }
}

fn is_charge_of(payment: &PaymentRow, order: &OrderRow) -> bool {
    payment.status == "CHARGED"
        && payment.user == Some(order.user)
        && payment.minor == Some(order.minor)
        && payment.currency.as_deref() == Some(&order.currency)
}

/// Whether none of these attempts can still be in flight: each got a response, and not the 504 of a gateway
/// that got none from Order.
fn are_finished(attempts: &[Attempt]) -> bool {
    let finished = |response: &Response| response.status != 504 || response.order.is_some();
    attempts.iter().all(|attempt| attempt.response.as_ref().is_some_and(finished))
}

/// Whether the response was true, given the final row. `was_last`: no request used the key after it.
fn is_true(response: &Response, row: Option<&OrderRow>, was_last: bool) -> bool {
    let is = |status: &str| row.is_some_and(|row| row.status == status && response.order == Some(row.id));
    match (response.status, response.reason.as_str()) {
        (201, _) => is("PAID") && response.body["status"] == "PAID",
        (402, _) => is("DECLINED"),
        (410, _) => is("VOIDED"),
        (503, "NOT_CHARGED") => response.retry_after.is_some() && (!was_last || is("NOT_CHARGED")),
        (503 | 429, "NOT_STARTED") => response.retry_after.is_some(),
        (409, "IDEMPOTENCY_IN_PROGRESS") => response.retry_after.is_some() && row.is_some(),
        (504, "OUTCOME_UNKNOWN") => response.retry_after.is_some(),
        // A valid order gets no other response.
        _ => false,
    }
}
