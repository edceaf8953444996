//! The contract of the `Ledger` port.

use std::{future::Future, sync::Arc};

use money::{Currency, Money};
use payment::{
    domain::{DeclineReason, Outcome, Payment},
    ports::LedgerError,
};
use tokio::task::JoinSet;

use crate::{
    Clause, Store,
    books::{Desk, money, order, request, user},
    clauses,
};

pub(crate) const CLAUSES: &[(&str, Clause)] = clauses![
    a_charge_is_recorded_with_every_field_and_debits_the_account,
    a_charge_over_the_limit_is_recorded_and_leaves_the_account,
    a_first_charge_over_the_limit_opens_the_account_uncharged,
    accounts_are_apart_by_user_and_by_currency,
    what_is_recorded_first_never_changes,
    the_extremes_of_money_and_ids_read_back,
    an_id_that_is_taken_is_a_clash_that_writes_nothing,
    sixty_four_charges_of_one_order_at_once_charge_once,
    charges_and_voids_of_one_order_at_once_agree_on_one_outcome,
    charges_of_many_orders_at_once_never_exceed_the_limit,
    first_charges_of_an_account_at_once_are_all_charged,
];

/// Does `work` for each of `inputs` at once, and returns what came of it.
async fn at_once<I, T: Send + 'static, F>(inputs: impl Iterator<Item = I>, work: impl Fn(I) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let mut racers: JoinSet<T> = inputs.map(work).collect();
    let mut ended = Vec::new();
    while let Some(one) = racers.join_next().await {
        ended.push(one.unwrap());
    }
    ended
}

fn is_charged(payment: &Payment) -> bool {
    matches!(payment.outcome, Outcome::Charged { .. })
}

async fn a_charge_is_recorded_with_every_field_and_debits_the_account(Store { books, .. }: Store) {
    let desk = Desk::default();
    let charge = desk.charge(request(12, 123, money("USD", 3_200)));
    assert_eq!(books.find(order(12)).await, Ok(None));
    let recorded = books.record_charge(&charge).await.unwrap();
    let outcome = Outcome::Charged { user: user(123), total: money("USD", 3_200), bill: charge.bill };
    assert_eq!(
        recorded,
        Payment { id: charge.payment, order: order(12), outcome, created_ms: charge.now_ms }
    );
    assert_eq!(books.find(order(12)).await, Ok(Some(recorded)));
    assert_eq!(books.charged_minor(user(123), Currency::USD).await, Some(3_200));
}

async fn a_charge_over_the_limit_is_recorded_and_leaves_the_account(Store { books, .. }: Store) {
    let desk = Desk::default();
    books.record_charge(&desk.charge(request(1, 123, money("USD", 9_999)))).await.unwrap();
    let charge = desk.charge(request(2, 123, money("USD", 2)));
    let recorded = books.record_charge(&charge).await.unwrap();
    let reason = DeclineReason::InsufficientBalance;
    let outcome = Outcome::Declined { user: user(123), total: money("USD", 2), reason };
    assert_eq!(recorded, Payment { id: charge.payment, order: order(2), outcome, created_ms: charge.now_ms });
    assert_eq!(books.find(order(2)).await, Ok(Some(recorded)));
    assert_eq!(books.charged_minor(user(123), Currency::USD).await, Some(9_999));
    // Up to the limit, and not a cent further.
    let last = books.record_charge(&desk.charge(request(3, 123, money("USD", 1)))).await.unwrap();
    assert!(is_charged(&last));
    let over = books.record_charge(&desk.charge(request(4, 123, money("USD", 1)))).await.unwrap();
    assert!(!is_charged(&over));
    assert_eq!(books.discrepancies().await, 0);
}

async fn a_first_charge_over_the_limit_opens_the_account_uncharged(Store { books, .. }: Store) {
    let desk = Desk::default();
    let over = books.record_charge(&desk.charge(request(1, 123, money("USD", 10_001)))).await.unwrap();
    assert!(!is_charged(&over));
    assert_eq!(books.charged_minor(user(123), Currency::USD).await, Some(0));
}

async fn accounts_are_apart_by_user_and_by_currency(Store { books, .. }: Store) {
    let desk = Desk::default();
    for (id, customer, total) in
        [(1, 1, money("USD", 10_000)), (2, 2, money("USD", 10_000)), (3, 1, money("JPY", 10_000))]
    {
        assert!(is_charged(&books.record_charge(&desk.charge(request(id, customer, total))).await.unwrap()));
        assert_eq!(books.charged_minor(user(customer), total.currency()).await, Some(10_000));
    }
    assert_eq!(books.discrepancies().await, 0);
}

async fn what_is_recorded_first_never_changes(Store { books, .. }: Store) {
    let desk = Desk::default();
    let charged = books.record_charge(&desk.charge(request(1, 1, money("USD", 10)))).await.unwrap();
    let declined = books.record_charge(&desk.charge(request(2, 1, money("USD", 20_000)))).await.unwrap();
    let voided = books.record_void(&desk.void(order(3))).await.unwrap();
    assert_eq!(voided.outcome, Outcome::Voided);
    for first in [charged, declined, voided] {
        let id = first.order.get();
        for (customer, total) in
            [(1, money("USD", 10)), (1, money("USD", 11)), (2, money("USD", 10)), (1, money("EUR", 10))]
        {
            let again = desk.charge(request(id, customer, total));
            assert_eq!(books.record_charge(&again).await, Ok(first));
        }
        assert_eq!(books.record_void(&desk.void(first.order)).await, Ok(first));
        assert_eq!(books.find(first.order).await, Ok(Some(first)));
    }
    assert_eq!(books.charged_minor(user(1), Currency::USD).await, Some(10));
    assert!(!matches!(books.charged_minor(user(2), Currency::USD).await, Some(1..)));
    assert_eq!(books.discrepancies().await, 0);
}

async fn the_extremes_of_money_and_ids_read_back(Store { books, .. }: Store) {
    let desk = Desk::default();
    let most = Money::MINOR_MAX;
    let cases = [(1, 1, "USD", 1), (i64::MAX, i64::MAX, "CLF", most), (most, most, "JPY", most - 1)];
    for (order_id, customer, code, minor) in cases {
        let mut charge = desk.charge(request(order_id, customer, money(code, minor)));
        charge.opening_limit = money(code, most);
        let recorded = books.record_charge(&charge).await.unwrap();
        assert!(is_charged(&recorded));
        assert_eq!(books.find(order(order_id)).await, Ok(Some(recorded)));
    }
    // The sum would be beyond any amount: a decline, not an overflow.
    let over = desk.charge(request(5, i64::MAX, money("CLF", most)));
    assert!(!is_charged(&books.record_charge(&over).await.unwrap()));
    assert_eq!(books.discrepancies().await, 0);
}

async fn an_id_that_is_taken_is_a_clash_that_writes_nothing(Store { books, .. }: Store) {
    let desk = Desk::default();
    let first = desk.charge(request(1, 1, money("USD", 10)));
    books.record_charge(&first).await.unwrap();
    let mut same_payment = desk.charge(request(2, 1, money("USD", 10)));
    same_payment.payment = first.payment;
    let mut same_bill = desk.charge(request(2, 1, money("USD", 10)));
    same_bill.bill = first.bill;
    let mut void = desk.void(order(2));
    void.payment = first.payment;
    assert_eq!(books.record_charge(&same_payment).await, Err(LedgerError::Conflict));
    assert_eq!(books.record_charge(&same_bill).await, Err(LedgerError::Conflict));
    assert_eq!(books.record_void(&void).await, Err(LedgerError::Conflict));
    assert_eq!(books.find(order(2)).await, Ok(None));
    assert_eq!(books.charged_minor(user(1), Currency::USD).await, Some(10));
}

async fn sixty_four_charges_of_one_order_at_once_charge_once(Store { books, .. }: Store) {
    let desk = Arc::new(Desk::default());
    let recorded = at_once(0..64, |_| {
        let (books, desk) = (books.clone(), desk.clone());
        async move { books.record_charge(&desk.charge(request(7, 1, money("USD", 100)))).await.unwrap() }
    });
    let recorded = recorded.await;
    assert!(is_charged(&recorded[0]) && recorded.iter().all(|one| *one == recorded[0]));
    assert_eq!(books.charged_minor(user(1), Currency::USD).await, Some(100));
    assert_eq!(books.discrepancies().await, 0);
}

async fn charges_and_voids_of_one_order_at_once_agree_on_one_outcome(Store { books, .. }: Store) {
    let desk = Arc::new(Desk::default());
    for id in 1..=8 {
        let recorded = at_once(0..16, |turn| {
            let (books, desk) = (books.clone(), desk.clone());
            async move {
                match turn % 2 {
                    0 => books.record_void(&desk.void(order(id))).await.unwrap(),
                    _ => books.record_charge(&desk.charge(request(id, 1, money("USD", 1)))).await.unwrap(),
                }
            }
        });
        let recorded = recorded.await;
        assert!(recorded.iter().all(|one| *one == recorded[0]));
    }
    assert_eq!(books.discrepancies().await, 0);
}

async fn charges_of_many_orders_at_once_never_exceed_the_limit(Store { books, .. }: Store) {
    let desk = Arc::new(Desk::default());
    let recorded = at_once(1..=64, |id| {
        let (books, desk) = (books.clone(), desk.clone());
        async move { books.record_charge(&desk.charge(request(id, 1, money("USD", 300)))).await.unwrap() }
    });
    // A limit of 100.00 has room for 33 charges of 3.00.
    assert_eq!(recorded.await.iter().filter(|one| is_charged(one)).count(), 33);
    assert_eq!(books.charged_minor(user(1), Currency::USD).await, Some(9_900));
    assert_eq!(books.discrepancies().await, 0);
}

async fn first_charges_of_an_account_at_once_are_all_charged(Store { books, .. }: Store) {
    const USERS: i64 = 40;
    let desk = Arc::new(Desk::default());
    let recorded = at_once(1..=USERS * 8, |id| {
        let (books, desk) = (books.clone(), desk.clone());
        let charge = desk.charge(request(id, id % USERS + 1, money("USD", 1)));
        async move { books.record_charge(&charge).await }
    });
    for recorded in recorded.await {
        // A loser of the race to open the account may be told to come again, never that the limit is in the way.
        assert!(
            recorded.as_ref().map_or_else(|error| *error == LedgerError::Conflict, is_charged),
            "{recorded:?}"
        );
    }
    assert_eq!(books.discrepancies().await, 0);
}
