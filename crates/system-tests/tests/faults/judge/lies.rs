//! The judge is judged: books and answers that are as they should be, and each with one thing wrong.

use std::time::Instant;

use serde_json::json;
use test_support::{Failed, Trial, check};

use super::judge;
use crate::{
    books::{Entries, OrderRow, PaymentRow},
    customer::{Answer, Attempt, Record},
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        crate::shared("judge::what_is_true_is_accepted", &[], || async {
            let (records, entries) = truth();
            judge(&records, &entries)
        }),
        crate::shared("judge::every_lie_is_noticed", &[], || async {
            for (name, lie) in LIES {
                let (mut records, mut entries) = truth();
                lie(&mut records, &mut entries);
                check(judge(&records, &entries).is_err(), || format!("not noticed: {name}"))?;
            }
            Ok::<(), Failed>(())
        }),
    ]
}

/// Five orders: paid, declined, not charged, given up, and one that was never started.
fn truth() -> (Vec<Record>, Entries) {
    let told = [
        vec![
            answer(504, "OUTCOME_UNKNOWN", Some(1)),
            answer(409, "IDEMPOTENCY_IN_PROGRESS", Some(1)),
            answer(201, "", Some(1)),
        ],
        vec![answer(402, "PAYMENT_DECLINED", Some(2))],
        vec![answer(503, "NOT_STARTED", None), answer(503, "NOT_CHARGED", Some(3))],
        vec![answer(410, "ORDER_VOIDED", Some(4))],
        vec![answer(503, "NOT_STARTED", None)],
    ];
    let records = told.into_iter().zip(1..).map(|(answers, user)| record(user, answers)).collect();
    let orders = [(1, "PAID"), (2, "DECLINED"), (3, "NOT_CHARGED"), (4, "VOIDED")];
    let payments = [(1, "CHARGED"), (2, "DECLINED"), (4, "VOIDED")];
    let entries = Entries {
        orders: orders.map(|(id, status)| order(id, id, status)).to_vec(),
        payments: payments.map(|(order, status)| payment(order, status)).to_vec(),
        unbalanced: Vec::new(),
    };
    (records, entries)
}

fn record(user: i64, answers: Vec<Answer>) -> Record {
    let now = Instant::now();
    let mut record = Record::of(user, "key", 12);
    record.attempts =
        answers.into_iter().map(|answer| Attempt { sent: now, heard: now, answer: Some(answer) }).collect();
    record
}

fn answer(status: u16, reason: &str, order: Option<i64>) -> Answer {
    let body = json!({ "status": "PAID" });
    Answer { status, reason: reason.to_owned(), order, replayed: false, retry_after: Some(1), body }
}

fn order(id: i64, user: i64, status: &str) -> OrderRow {
    let (key, currency) = ("key".to_owned(), "USD".to_owned());
    OrderRow { id, user, key, status: status.to_owned(), currency, minor: 12 }
}

fn payment(order: i64, status: &str) -> PaymentRow {
    let tombstone = status == "VOIDED";
    let known = |value: i64| (!tombstone).then_some(value);
    let currency = (!tombstone).then(|| "USD".to_owned());
    PaymentRow { order, status: status.to_owned(), user: known(order), currency, minor: known(12) }
}

type Lie = fn(&mut Vec<Record>, &mut Entries);

const LIES: [(&str, Lie); 19] = [
    ("a 201 whose order is lost", |_, books| drop(books.orders.remove(0))),
    ("a 201 whose order is PENDING", |_, books| books.orders[0].status = "PENDING".to_owned()),
    ("a 201 that names another order", |told, _| told[0].attempts[2] = told_as(answer(201, "", Some(7)))),
    ("a 201 without a charge", |_, books| drop(books.payments.remove(0))),
    ("a 201 that is VOIDED", |_, books| {
        books.orders[0].status = "VOIDED".to_owned();
        books.payments[0] = payment(1, "VOIDED");
    }),
    ("a charge of another amount", |_, books| books.payments[0].minor = Some(13)),
    ("a charge in another currency", |_, books| books.payments[0].currency = Some("EUR".to_owned())),
    ("a charge of another user", |_, books| books.payments[0].user = Some(9)),
    ("an order of another amount", |_, books| {
        (books.orders[0].minor, books.payments[0].minor) = (13, Some(13));
    }),
    ("a 402 that was charged", |_, books| books.payments[1] = payment(2, "CHARGED")),
    ("a 402 that is PAID", |_, books| {
        books.orders[1].status = "PAID".to_owned();
        books.payments[1] = payment(2, "CHARGED");
    }),
    ("a NOT_CHARGED that was charged", |_, books| books.payments.push(payment(3, "CHARGED"))),
    ("a NOT_CHARGED that was paid by itself", |_, books| {
        books.orders[2].status = "PAID".to_owned();
        books.payments.push(payment(3, "CHARGED"));
    }),
    ("a NOT_STARTED that did something", |_, books| {
        books.orders.push(order(5, 5, "PAID"));
        books.payments.push(payment(5, "CHARGED"));
    }),
    ("a key that is two orders", |_, books| {
        books.orders.push(order(6, 1, "PAID"));
        books.payments.push(PaymentRow { order: 6, ..payment(1, "CHARGED") });
    }),
    ("a charge for no order", |_, books| books.payments.push(payment(8, "CHARGED"))),
    ("an account that does not add up", |_, books| books.unbalanced.push((1, "USD".to_owned()))),
    ("a refusal that does not say when to come back", |told, _| {
        let answer = Answer { retry_after: None, ..answer(503, "NOT_STARTED", None) };
        told[4].attempts[0] = told_as(answer);
    }),
    ("an answer that no good order may have", |told, _| told[4].attempts[0] = told_as(answer(500, "", None))),
];

fn told_as(answer: Answer) -> Attempt {
    let now = Instant::now();
    Attempt { sent: now, heard: now, answer: Some(answer) }
}
