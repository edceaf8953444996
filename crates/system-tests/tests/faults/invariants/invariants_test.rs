//! The invariants accept correct rows and responses, and reject each of them with one fault.

use std::time::Instant;

use serde_json::json;
use system_tests::client::{Attempt, History, Response};
use test_support::{Failed, Trial, check};

use super::check_invariants;
use crate::db_snapshot::{OrderRow, PaymentRow, Snapshot};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        crate::shared("invariants::correct_rows_and_responses_pass", &[], || async {
            let (histories, snapshot) = correct();
            check_invariants(&histories, &snapshot)
        }),
        crate::shared("invariants::every_fault_is_found", &[], || async {
            for (name, plant) in FAULTS {
                let (mut histories, mut snapshot) = correct();
                plant(&mut histories, &mut snapshot);
                check(check_invariants(&histories, &snapshot).is_err(), || format!("not found: {name}"))?;
            }
            Ok::<(), Failed>(())
        }),
    ]
}

/// Five orders: paid, declined, not charged, voided, and one that was never started.
fn correct() -> (Vec<History>, Snapshot) {
    let responses = [
        vec![
            response(504, "OUTCOME_UNKNOWN", Some(1)),
            response(409, "IDEMPOTENCY_IN_PROGRESS", Some(1)),
            response(201, "", Some(1)),
        ],
        vec![response(402, "PAYMENT_DECLINED", Some(2))],
        vec![response(503, "NOT_STARTED", None), response(503, "NOT_CHARGED", Some(3))],
        vec![response(410, "ORDER_VOIDED", Some(4))],
        vec![response(503, "NOT_STARTED", None)],
    ];
    let histories = responses.into_iter().zip(1..).map(|(responses, user)| {
        let mut history = History::new(user, "key", 12);
        history.attempts = responses.into_iter().map(attempt).collect();
        history
    });
    let orders = [(1, "PAID"), (2, "DECLINED"), (3, "NOT_CHARGED"), (4, "VOIDED")];
    let payments = [(1, "CHARGED"), (2, "DECLINED"), (4, "VOIDED")];
    let snapshot = Snapshot {
        orders: orders.map(|(id, status)| order(id, id, status)).to_vec(),
        payments: payments.map(|(order, status)| payment(order, status)).to_vec(),
        unbalanced: Vec::new(),
    };
    (histories.collect(), snapshot)
}

fn attempt(response: Response) -> Attempt {
    let now = Instant::now();
    Attempt { sent: now, received: now, response: Some(response) }
}

fn response(status: u16, reason: &str, order: Option<i64>) -> Response {
    let body = json!({ "status": "PAID" });
    Response { status, reason: reason.to_owned(), order, replayed: false, retry_after: Some(1), body }
}

fn order(id: i64, user: i64, status: &str) -> OrderRow {
    let (key, currency) = ("key".to_owned(), "USD".to_owned());
    OrderRow { id, user, key, status: status.to_owned(), currency, minor: 12 }
}

fn payment(order: i64, status: &str) -> PaymentRow {
    let tombstone = status == "VOIDED";
    let unless_tombstone = |value: i64| (!tombstone).then_some(value);
    PaymentRow {
        order,
        status: status.to_owned(),
        user: unless_tombstone(order),
        currency: (!tombstone).then(|| "USD".to_owned()),
        minor: unless_tombstone(12),
    }
}

type Fault = fn(&mut Vec<History>, &mut Snapshot);

const FAULTS: [(&str, Fault); 19] = [
    ("a 201 without an order", |_, rows| drop(rows.orders.remove(0))),
    ("a 201 whose order is PENDING", |_, rows| rows.orders[0].status = "PENDING".to_owned()),
    ("a 201 with the id of another order", |histories, _| {
        histories[0].attempts[2] = attempt(response(201, "", Some(7)));
    }),
    ("a 201 without a charge", |_, rows| drop(rows.payments.remove(0))),
    ("a 201 whose order is VOIDED", |_, rows| {
        rows.orders[0].status = "VOIDED".to_owned();
        rows.payments[0] = payment(1, "VOIDED");
    }),
    ("a charge of another amount", |_, rows| rows.payments[0].minor = Some(13)),
    ("a charge in another currency", |_, rows| rows.payments[0].currency = Some("EUR".to_owned())),
    ("a charge of another user", |_, rows| rows.payments[0].user = Some(9)),
    ("an order of another amount", |_, rows| {
        (rows.orders[0].minor, rows.payments[0].minor) = (13, Some(13));
    }),
    ("a 402 whose order was charged", |_, rows| rows.payments[1] = payment(2, "CHARGED")),
    ("a 402 whose order is PAID", |_, rows| {
        rows.orders[1].status = "PAID".to_owned();
        rows.payments[1] = payment(2, "CHARGED");
    }),
    ("a NOT_CHARGED order that was charged", |_, rows| rows.payments.push(payment(3, "CHARGED"))),
    ("a NOT_CHARGED order that became PAID without a retry", |_, rows| {
        rows.orders[2].status = "PAID".to_owned();
        rows.payments.push(payment(3, "CHARGED"));
    }),
    ("a NOT_STARTED order that was saved", |_, rows| {
        rows.orders.push(order(5, 5, "PAID"));
        rows.payments.push(payment(5, "CHARGED"));
    }),
    ("two orders with one key", |_, rows| {
        rows.orders.push(order(6, 1, "PAID"));
        rows.payments.push(PaymentRow { order: 6, ..payment(1, "CHARGED") });
    }),
    ("a charge without an order", |_, rows| rows.payments.push(payment(8, "CHARGED"))),
    ("a wrong balance", |_, rows| rows.unbalanced.push((1, "USD".to_owned()))),
    ("a NOT_STARTED response without Retry-After", |histories, _| {
        let response = Response { retry_after: None, ..response(503, "NOT_STARTED", None) };
        histories[4].attempts[0] = attempt(response);
    }),
    ("a response that no valid order gets", |histories, _| {
        histories[4].attempts[0] = attempt(response(500, "", None));
    }),
];
