//! The contract of the `Ledger` port.

use std::{future::Future, sync::Arc, time::Duration};

use money::{Currency, Money};
use payment::{
    domain::{DeclineReason, Outcome, Payment},
    ports::{Ledger, LedgerError, NewCharge},
};
use tokio::task::JoinSet;

use super::{ContractTest, contract, stores::Store};
use crate::fixtures::{Fixture, money, order, request, user};

pub(crate) const CONTRACT: &[(&str, ContractTest)] = contract![
    a_charge_is_recorded_with_every_field_and_debits_the_account,
    a_charge_over_the_limit_is_declined_without_a_debit,
    a_first_charge_over_the_limit_opens_the_account_uncharged,
    a_currency_that_is_not_accepted_is_declined_and_opens_no_account,
    an_account_works_in_a_currency_that_is_not_accepted,
    accounts_are_separate_by_user_and_currency,
    the_first_payment_of_an_order_never_changes,
    extreme_amounts_and_ids_read_back,
    a_taken_id_is_a_conflict_and_writes_nothing,
    concurrent_charges_of_one_order_charge_once,
    concurrent_charges_and_voids_agree_on_one_outcome,
    concurrent_charges_never_exceed_the_limit,
    concurrent_first_charges_of_an_account_are_all_charged,
];

/// Runs `call` for each of `inputs` concurrently and returns the results.
async fn concurrently<I, T: Send + 'static, F>(
    inputs: impl Iterator<Item = I>,
    call: impl Fn(I) -> F,
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let calls: JoinSet<T> = inputs.map(call).collect();
    calls.join_all().await
}

fn is_charged(payment: &Payment) -> bool {
    matches!(payment.outcome, Outcome::Charged { .. })
}

async fn a_charge_is_recorded_with_every_field_and_debits_the_account(store: Store) {
    let fixture = Fixture::default();
    let charge = fixture.charge(request(12, 123, money("USD", 3_200)));
    assert_eq!(store.ledger.find(order(12)).await, Ok(None));
    let recorded = store.ledger.record_charge(&charge).await.unwrap();
    let outcome = Outcome::Charged { user: user(123), total: money("USD", 3_200), bill: charge.bill };
    assert_eq!(
        recorded,
        Payment { id: charge.payment, order: order(12), outcome, created_ms: charge.now_ms }
    );
    assert_eq!(store.ledger.find(order(12)).await, Ok(Some(recorded)));
    assert_eq!(store.charged_minor(user(123), Currency::USD).await, Some(3_200));
}

async fn a_charge_over_the_limit_is_declined_without_a_debit(store: Store) {
    let fixture = Fixture::default();
    store.ledger.record_charge(&fixture.charge(request(1, 123, money("USD", 9_999)))).await.unwrap();
    let charge = fixture.charge(request(2, 123, money("USD", 2)));
    let recorded = store.ledger.record_charge(&charge).await.unwrap();
    let reason = DeclineReason::InsufficientBalance;
    let outcome = Outcome::Declined { user: user(123), total: money("USD", 2), reason };
    assert_eq!(recorded, Payment { id: charge.payment, order: order(2), outcome, created_ms: charge.now_ms });
    assert_eq!(store.ledger.find(order(2)).await, Ok(Some(recorded)));
    assert_eq!(store.charged_minor(user(123), Currency::USD).await, Some(9_999));
    // The limit itself can be reached, and not exceeded.
    let last = store.ledger.record_charge(&fixture.charge(request(3, 123, money("USD", 1)))).await.unwrap();
    assert!(is_charged(&last));
    let over = store.ledger.record_charge(&fixture.charge(request(4, 123, money("USD", 1)))).await.unwrap();
    assert!(!is_charged(&over));
    assert_eq!(store.discrepancies().await, 0);
}

async fn a_first_charge_over_the_limit_opens_the_account_uncharged(store: Store) {
    let fixture = Fixture::default();
    let over =
        store.ledger.record_charge(&fixture.charge(request(1, 123, money("USD", 10_001)))).await.unwrap();
    assert!(!is_charged(&over));
    assert_eq!(store.charged_minor(user(123), Currency::USD).await, Some(0));
}

async fn a_currency_that_is_not_accepted_is_declined_and_opens_no_account(store: Store) {
    let fixture = Fixture::default();
    let charge = fixture.charge_not_accepted(request(1, 123, money("CHF", 1)));
    let recorded = store.ledger.record_charge(&charge).await.unwrap();
    let reason = DeclineReason::CurrencyNotAccepted;
    let outcome = Outcome::Declined { user: user(123), total: money("CHF", 1), reason };
    assert_eq!(recorded, Payment { id: charge.payment, order: order(1), outcome, created_ms: charge.now_ms });
    assert_eq!(store.ledger.find(order(1)).await, Ok(Some(recorded)));
    assert_eq!(store.charged_minor(user(123), recorded_currency("CHF")).await, None);
    // The decline is final, also after the currency is accepted. Other orders are charged from then on.
    let accepted = fixture.charge(request(1, 123, money("CHF", 1)));
    assert_eq!(store.ledger.record_charge(&accepted).await, Ok(recorded));
    let next = store.ledger.record_charge(&fixture.charge(request(2, 123, money("CHF", 1)))).await.unwrap();
    assert!(is_charged(&next));
    assert_eq!(store.discrepancies().await, 0);
}

async fn an_account_works_in_a_currency_that_is_not_accepted(store: Store) {
    let fixture = Fixture::default();
    store.ledger.record_charge(&fixture.charge(request(1, 123, money("BGN", 9_000)))).await.unwrap();
    for (id, minor, charged) in [(2, 900, true), (3, 101, false), (4, 100, true)] {
        let charge = fixture.charge_not_accepted(request(id, 123, money("BGN", minor)));
        let recorded = store.ledger.record_charge(&charge).await.unwrap();
        let (user, total) = (charge.request.user, charge.request.total.get());
        let reason = DeclineReason::InsufficientBalance;
        let wanted = match charged {
            true => Outcome::Charged { user, total, bill: charge.bill },
            false => Outcome::Declined { user, total, reason },
        };
        assert_eq!(recorded.outcome, wanted, "{id}");
    }
    let other = fixture.charge_not_accepted(request(5, 124, money("BGN", 1)));
    assert!(!is_charged(&store.ledger.record_charge(&other).await.unwrap()));
    assert_eq!(store.charged_minor(user(123), recorded_currency("BGN")).await, Some(10_000));
    assert_eq!(store.charged_minor(user(124), recorded_currency("BGN")).await, None);
    assert_eq!(store.discrepancies().await, 0);
}

fn recorded_currency(code: &str) -> Currency {
    money(code, 0).currency()
}

async fn accounts_are_separate_by_user_and_currency(store: Store) {
    let fixture = Fixture::default();
    for (id, customer, total) in
        [(1, 1, money("USD", 10_000)), (2, 2, money("USD", 10_000)), (3, 1, money("JPY", 10_000))]
    {
        assert!(is_charged(
            &store.ledger.record_charge(&fixture.charge(request(id, customer, total))).await.unwrap()
        ));
        assert_eq!(store.charged_minor(user(customer), total.currency()).await, Some(10_000));
    }
    assert_eq!(store.discrepancies().await, 0);
}

async fn the_first_payment_of_an_order_never_changes(store: Store) {
    let fixture = Fixture::default();
    let charged = store.ledger.record_charge(&fixture.charge(request(1, 1, money("USD", 10)))).await.unwrap();
    let declined =
        store.ledger.record_charge(&fixture.charge(request(2, 1, money("USD", 20_000)))).await.unwrap();
    let voided = store.ledger.record_void(&fixture.void(order(3))).await.unwrap();
    assert_eq!(voided.outcome, Outcome::Voided);
    for first in [charged, declined, voided] {
        let id = first.order.get();
        for (customer, total) in
            [(1, money("USD", 10)), (1, money("USD", 11)), (2, money("USD", 10)), (1, money("EUR", 10))]
        {
            let repeated = fixture.charge(request(id, customer, total));
            assert_eq!(store.ledger.record_charge(&repeated).await, Ok(first));
        }
        assert_eq!(store.ledger.record_void(&fixture.void(first.order)).await, Ok(first));
        assert_eq!(store.ledger.find(first.order).await, Ok(Some(first)));
    }
    assert_eq!(store.charged_minor(user(1), Currency::USD).await, Some(10));
    assert!(!matches!(store.charged_minor(user(2), Currency::USD).await, Some(1..)));
    assert_eq!(store.discrepancies().await, 0);
}

async fn extreme_amounts_and_ids_read_back(store: Store) {
    let fixture = Fixture::default();
    let most = Money::MINOR_MAX;
    let cases = [(1, 1, "USD", 1), (i64::MAX, i64::MAX, "CLF", most), (most, most, "JPY", most - 1)];
    for (order_id, customer, code, minor) in cases {
        let mut charge = fixture.charge(request(order_id, customer, money(code, minor)));
        charge.opening_limit = Some(money(code, most));
        let recorded = store.ledger.record_charge(&charge).await.unwrap();
        assert!(is_charged(&recorded));
        assert_eq!(store.ledger.find(order(order_id)).await, Ok(Some(recorded)));
    }
    // The sum exceeds the largest amount: a decline, not an overflow.
    let over = fixture.charge(request(5, i64::MAX, money("CLF", most)));
    assert!(!is_charged(&store.ledger.record_charge(&over).await.unwrap()));
    assert_eq!(store.discrepancies().await, 0);
}

async fn a_taken_id_is_a_conflict_and_writes_nothing(store: Store) {
    let fixture = Fixture::default();
    let first = fixture.charge(request(1, 1, money("USD", 10)));
    store.ledger.record_charge(&first).await.unwrap();
    let mut same_payment = fixture.charge(request(2, 1, money("USD", 10)));
    same_payment.payment = first.payment;
    let mut same_bill = fixture.charge(request(2, 1, money("USD", 10)));
    same_bill.bill = first.bill;
    let mut void = fixture.void(order(2));
    void.payment = first.payment;
    assert_eq!(store.ledger.record_charge(&same_payment).await, Err(LedgerError::Conflict));
    assert_eq!(store.ledger.record_charge(&same_bill).await, Err(LedgerError::Conflict));
    assert_eq!(store.ledger.record_void(&void).await, Err(LedgerError::Conflict));
    assert_eq!(store.ledger.find(order(2)).await, Ok(None));
    assert_eq!(store.charged_minor(user(1), Currency::USD).await, Some(10));
}

/// Records a charge. A store may reject one while many others wait for the account.
async fn record_charge(ledger: &dyn Ledger, charge: &NewCharge) -> Payment {
    loop {
        match ledger.record_charge(charge).await {
            Err(LedgerError::NotStarted) => tokio::time::sleep(Duration::from_millis(1)).await,
            recorded => return recorded.unwrap(),
        }
    }
}

async fn concurrent_charges_of_one_order_charge_once(store: Store) {
    let fixture = Arc::new(Fixture::default());
    let recorded = concurrently(0..64, |_| {
        let (ledger, fixture) = (store.ledger.clone(), fixture.clone());
        async move { record_charge(&*ledger, &fixture.charge(request(7, 1, money("USD", 100)))).await }
    });
    let recorded = recorded.await;
    assert!(is_charged(&recorded[0]) && recorded.iter().all(|one| *one == recorded[0]));
    assert_eq!(store.charged_minor(user(1), Currency::USD).await, Some(100));
    assert_eq!(store.discrepancies().await, 0);
}

async fn concurrent_charges_and_voids_agree_on_one_outcome(store: Store) {
    let fixture = Arc::new(Fixture::default());
    for id in 1..=8 {
        let recorded = concurrently(0..16, |index| {
            let (ledger, fixture) = (store.ledger.clone(), fixture.clone());
            async move {
                match index % 2 {
                    0 => ledger.record_void(&fixture.void(order(id))).await.unwrap(),
                    _ => {
                        ledger.record_charge(&fixture.charge(request(id, 1, money("USD", 1)))).await.unwrap()
                    }
                }
            }
        });
        let recorded = recorded.await;
        assert!(recorded.iter().all(|one| *one == recorded[0]));
    }
    assert_eq!(store.discrepancies().await, 0);
}

async fn concurrent_charges_never_exceed_the_limit(store: Store) {
    let fixture = Arc::new(Fixture::default());
    let recorded = concurrently(1..=64, |id| {
        let (ledger, fixture) = (store.ledger.clone(), fixture.clone());
        async move { record_charge(&*ledger, &fixture.charge(request(id, 1, money("USD", 300)))).await }
    });
    // 33 charges of 3.00 fit into a limit of 100.00.
    assert_eq!(recorded.await.iter().filter(|one| is_charged(one)).count(), 33);
    assert_eq!(store.charged_minor(user(1), Currency::USD).await, Some(9_900));
    assert_eq!(store.discrepancies().await, 0);
}

async fn concurrent_first_charges_of_an_account_are_all_charged(store: Store) {
    const USERS: i64 = 40;
    let fixture = Arc::new(Fixture::default());
    let recorded = concurrently(1..=USERS * 8, |id| {
        let (ledger, fixture) = (store.ledger.clone(), fixture.clone());
        let charge = fixture.charge(request(id, id % USERS + 1, money("USD", 1)));
        async move { ledger.record_charge(&charge).await }
    });
    for recorded in recorded.await {
        // The loser of the race to open the account may get a conflict, never a decline.
        assert!(
            recorded.as_ref().map_or_else(|error| *error == LedgerError::Conflict, is_charged),
            "{recorded:?}"
        );
    }
    assert_eq!(store.discrepancies().await, 0);
}
