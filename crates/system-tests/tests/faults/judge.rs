//! What must hold of every run: what customers were told, against what stands in the books.

use std::collections::{BTreeMap, BTreeSet};

use test_support::Failed;

use crate::{
    books::{Entries, OrderRow, PaymentRow},
    customer::{Answer, Attempt, Record},
};

pub(crate) mod lies;

/// Holds everything that `records` say against `entries`, which nobody changes any more.
///
/// # Errors
///
/// Every violation, a line each.
pub(crate) fn judge(records: &[Record], entries: &Entries) -> Result<(), Failed> {
    let mut bench = Bench::of(records, entries);
    bench.books();
    for record in records {
        bench.record(record);
    }
    match bench.violations.as_slice() {
        [] => Ok(()),
        violations => Err(format!("{} violations:\n{}", violations.len(), violations.join("\n")).into()),
    }
}

struct Bench<'a> {
    entries: &'a Entries,
    orders: BTreeMap<(i64, &'a str), Vec<&'a OrderRow>>,
    payments: BTreeMap<i64, &'a PaymentRow>,
    /// How many customers used this key of this user: one cannot know what another did after it.
    customers: BTreeMap<(i64, &'a str), usize>,
    violations: Vec<String>,
}

impl<'a> Bench<'a> {
    fn of(records: &'a [Record], entries: &'a Entries) -> Self {
        let mut customers: BTreeMap<_, usize> = BTreeMap::new();
        for Record { purchase, .. } in records {
            *customers.entry((purchase.user, purchase.key.as_str())).or_default() += 1;
        }
        let mut orders: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for order in &entries.orders {
            orders.entry((order.user, order.key.as_str())).or_default().push(order);
        }
        let payments = entries.payments.iter().map(|payment| (payment.order, payment)).collect();
        Self { entries, orders, payments, customers, violations: Vec::new() }
    }

    fn claim(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(violation());
        }
    }

    /// PAID ⇔ CHARGED with equal amounts, both ways; every state final; every account the sum of its charges.
    fn books(&mut self) {
        for order in &self.entries.orders {
            let payment = self.payments.get(&order.id).copied();
            let agrees = match (order.status.as_str(), payment) {
                ("PAID", Some(payment)) => is_charge_for(payment, order),
                ("DECLINED" | "VOIDED", Some(payment)) => payment.status == order.status,
                ("NOT_CHARGED", payment) => payment.is_none(),
                // PENDING is not final, nor is anything else.
                _ => false,
            };
            self.claim(agrees, || format!("the books disagree: {order:?}, {payment:?}"));
        }
        let known: BTreeSet<i64> = self.entries.orders.iter().map(|order| order.id).collect();
        for payment in self.entries.payments.iter().filter(|payment| !known.contains(&payment.order)) {
            self.violations.push(format!("a payment for an order that is lost: {payment:?}"));
        }
        for account in &self.entries.unbalanced {
            self.violations.push(format!("an account is not the sum of its charges: {account:?}"));
        }
    }

    fn record(&mut self, record: &Record) {
        let purchase = &record.purchase;
        let rows = self.orders.get(&(purchase.user, purchase.key.as_str())).cloned().unwrap_or_default();
        self.claim(rows.len() <= 1, || format!("{} was {} orders: {rows:?}", purchase.key, rows.len()));
        let row = rows.first().copied();
        self.claim(row.is_none_or(|row| row.minor == purchase.minor), || {
            format!("{purchase:?} became {row:?}")
        });
        let alone = self.customers.get(&(purchase.user, purchase.key.as_str())) == Some(&1);
        for (at, attempt) in record.attempts.iter().enumerate() {
            let Some(answer) = &attempt.answer else { continue };
            let nobody_after = alone && at + 1 == record.attempts.len();
            let true_still = is_true(answer, row, nobody_after && heard(&record.attempts[..at]));
            self.claim(true_still, || {
                format!(
                    "{} was told at attempt {at}, after {:?}: {answer:?}, and stands as {row:?}",
                    purchase.key,
                    attempt.heard - attempt.sent
                )
            });
        }
        let all_refused = record
            .attempts
            .iter()
            .all(|attempt| attempt.answer.as_ref().is_some_and(|answer| answer.reason == "NOT_STARTED"));
        self.claim(!(all_refused && alone) || row.is_none(), || {
            format!("{} was never started, and is {row:?}", purchase.key)
        });
    }
}

fn is_charge_for(payment: &PaymentRow, order: &OrderRow) -> bool {
    payment.status == "CHARGED"
        && payment.user == Some(order.user)
        && payment.minor == Some(order.minor)
        && payment.currency.as_deref() == Some(&order.currency)
}

/// Whether nothing of these attempts can still be on its way: each had an answer, and not that of a gateway which
/// has none of Order's.
fn heard(attempts: &[Attempt]) -> bool {
    let settled = |answer: &Answer| answer.status != 504 || answer.order.is_some();
    attempts.iter().all(|attempt| attempt.answer.as_ref().is_some_and(settled))
}

/// Whether an answer was true, given how the order stands in the end; `was_last`: the key was not used after it.
fn is_true(answer: &Answer, row: Option<&OrderRow>, was_last: bool) -> bool {
    let stands = |status: &str| row.is_some_and(|row| row.status == status && answer.order == Some(row.id));
    match (answer.status, answer.reason.as_str()) {
        (201, _) => stands("PAID") && answer.body["status"] == "PAID",
        (402, _) => stands("DECLINED"),
        (410, _) => stands("VOIDED"),
        (503, "NOT_CHARGED") => answer.retry_after.is_some() && (!was_last || stands("NOT_CHARGED")),
        (503 | 429, "NOT_STARTED") => answer.retry_after.is_some(),
        (409, "IDEMPOTENCY_IN_PROGRESS") => answer.retry_after.is_some() && row.is_some(),
        (504, "OUTCOME_UNKNOWN") => true,
        // Nothing else may be said of a good order.
        _ => false,
    }
}
