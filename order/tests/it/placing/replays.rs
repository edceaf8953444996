//! Requests with a used key: the same request gets the same result, and the order is charged at most once.

use std::collections::BTreeSet;

use order::{
    application::{ORDER_TASK_MAX, PlaceError, Placed},
    domain::{ChargeOutcome, Guard, Order, Settlement, Status},
    ports::Orders,
};

use super::{Fixture, TIME_LEFT, is_not_started, ms, unknown};
use test_support::order::{
    Charge, StoreCall, StoreFault, command, command_of, decline, id, items, key, user,
};

const RETRIES: usize = 16;

#[tokio::test(start_paused = true)]
async fn final_result_is_replayed_and_marked() {
    let declined = PlaceError::Declined { order: id(1), decline: decline(), replayed: true };
    for (status, error) in
        [(Status::Declined, declined), (Status::Voided, PlaceError::Voided { order: id(1) })]
    {
        let (fixture, earlier) = Fixture::with_earlier(status).await;
        assert_eq!(fixture.place().await, Err(error));
        assert_eq!((fixture.only(), fixture.payments.calls().len()), (earlier, 0));
    }
    let (fixture, earlier) = Fixture::with_earlier(Status::Paid).await;
    for _ in 0..2 {
        assert_eq!(fixture.place().await, Ok(Placed { order: earlier.clone(), replayed: true }));
    }
    assert_eq!((fixture.only(), fixture.payments.calls().len()), (earlier, 0));
}

#[tokio::test(start_paused = true)]
async fn retry_of_an_order_with_an_unknown_status_is_outcome_unknown() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Unspecified).await;
    assert_eq!(fixture.place().await, unknown(1));
    assert_eq!((fixture.only(), fixture.payments.calls().len()), (earlier, 0));
}

#[tokio::test(start_paused = true)]
async fn another_request_with_the_same_key_is_rejected_in_every_status() {
    for status in [Status::Pending, Status::Paid, Status::Declined, Status::NotCharged, Status::Voided] {
        let (fixture, earlier) = Fixture::with_earlier(status).await;
        for other in
            [command(user(1), 13), command_of(user(1), &items(2, 12)), command_of(user(1), &items(2, 6))]
        {
            let result = fixture.application.place_order(other, Some(key("k")), TIME_LEFT).await;
            assert_eq!(result, Err(PlaceError::KeyReused { order: id(1) }));
        }
        assert_eq!((fixture.only(), fixture.payments.calls().len()), (earlier, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn another_user_or_another_key_creates_another_order() {
    let (fixture, _) = Fixture::with_earlier(Status::Paid).await;
    let place = async |user_id, text: &str| {
        let placed = fixture
            .application
            .place_order(command(user(user_id), 12), Some(key(text)), TIME_LEFT)
            .await
            .unwrap();
        assert!(!placed.replayed);
        placed.order.id
    };
    let ids = [place(2, "k").await, place(1, "K").await];
    assert_eq!(ids, [id(2), id(3)]);
    assert_eq!(fixture.charged(), ids);
}

#[tokio::test(start_paused = true)]
async fn retry_waits_for_the_first_request_and_gets_its_result() {
    for (outcome, status) in [
        (ChargeOutcome::Charged, Status::Paid),
        (ChargeOutcome::Declined(decline()), Status::Declined),
        (ChargeOutcome::Voided, Status::Voided),
    ] {
        let fixture = Fixture::new();
        let charge = fixture.payments.hold(outcome);
        let first = fixture.spawn_place(TIME_LEFT);
        fixture.payments.called(1).await;
        let retry = fixture.spawn_place(TIME_LEFT);
        tokio::time::sleep(ms(3_000)).await;
        assert!(!first.is_finished() && !retry.is_finished());
        charge.add_permits(1);
        let expected = |replayed| match status {
            Status::Paid => Ok(Placed { order: fixture.only(), replayed }),
            Status::Voided => Err(PlaceError::Voided { order: id(1) }),
            _ => Err(PlaceError::Declined { order: id(1), decline: decline(), replayed }),
        };
        assert_eq!(first.await.unwrap(), expected(false));
        assert_eq!(retry.await.unwrap(), expected(true));
        assert_eq!(fixture.payments.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_charges_an_order_that_was_not_charged() {
    let (fixture, earlier) = Fixture::with_earlier(Status::NotCharged).await;
    tokio::time::sleep(ms(60_000)).await;
    let reopened = Order { status: Status::Paid, fence: earlier.fence + 1, attempts: 2, ..earlier };
    assert_eq!(fixture.place().await, Ok(Placed { order: reopened.clone(), replayed: false }));
    assert_eq!(fixture.only(), reopened);
    assert_eq!(fixture.charged(), [id(1)]);
}

#[tokio::test(start_paused = true)]
async fn order_may_be_not_charged_many_times_and_then_charged_once() {
    let fixture = Fixture::new();
    fixture.payments.next(vec![Charge::Ends(ChargeOutcome::NeverRan); 3]);
    for _ in 0..3 {
        assert_eq!(fixture.place().await, Err(PlaceError::NotCharged { order: id(1) }));
        assert_eq!(fixture.only_status(), (id(1), Status::NotCharged));
    }
    assert!(fixture.place().await.is_ok());
    let calls: BTreeSet<_> = fixture.payments.calls().into_iter().map(|call| call.order).collect();
    assert_eq!((fixture.charged(), calls), (vec![id(1)], BTreeSet::from([id(1)])));
}

/// The results of concurrent retries.
async fn race(fixture: &Fixture) -> Vec<Result<Placed, PlaceError>> {
    let retries: Vec<_> = (0..RETRIES).map(|_| fixture.spawn_place(TIME_LEFT)).collect();
    let mut results = Vec::new();
    for retry in retries {
        results.push(retry.await.unwrap());
    }
    results
}

#[tokio::test(start_paused = true)]
async fn one_of_concurrent_retries_charges_and_all_get_the_result() {
    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::Reopen, [StoreFault::Slow(ms(1)); RETRIES]);
    fixture.payments.next([Charge::EndsAfter(ms(500), ChargeOutcome::Charged)]);
    let results = race(&fixture).await;
    let paid: Vec<bool> = results.into_iter().map(|result| result.unwrap().replayed).collect();
    assert_eq!(paid.iter().filter(|replayed| !**replayed).count(), 1);
    assert_eq!(fixture.payments.calls().len(), 1);
    assert_eq!((fixture.only().fence, fixture.only_status()), (2, (id(1), Status::Paid)));
}

#[tokio::test(start_paused = true)]
async fn one_of_concurrent_requests_with_one_key_is_saved_and_charged() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::Slow(ms(1)); RETRIES]);
    fixture.payments.next([Charge::EndsAfter(ms(500), ChargeOutcome::Charged)]);
    let results = race(&fixture).await;
    assert_eq!(results.into_iter().filter(|result| !result.as_ref().unwrap().replayed).count(), 1);
    assert_eq!((fixture.only().status, fixture.payments.calls().len()), (Status::Paid, 1));
}

#[tokio::test(start_paused = true)]
async fn reopening_that_was_not_sent_is_not_started() {
    // NOT_CHARGED would be wrong: another retry may have charged the order meanwhile.
    let (fixture, earlier) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::Reopen, [StoreFault::NotStarted]);
    let result = fixture.place().await;
    assert!(is_not_started(&result), "{result:?}");
    assert_eq!((fixture.only(), fixture.payments.calls().len()), (earlier, 0));
}

#[tokio::test(start_paused = true)]
async fn in_doubt_reopening_is_read_again() {
    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::Reopen, [StoreFault::RequestLost]);
    assert!(fixture.place().await.is_ok());
    assert_eq!(fixture.charged(), [id(1)]);

    // The row does not show whether this request or another reopened the order.
    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::Reopen, [StoreFault::ResponseLost]);
    assert_eq!(fixture.place().await, unknown(1));
    assert_eq!(fixture.only_status(), (id(1), Status::Pending));

    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::Reopen, [StoreFault::RequestLost, StoreFault::NotStarted]);
    assert_eq!(fixture.place().await, unknown(1));
}

#[tokio::test(start_paused = true)]
async fn failing_reopening_is_retried_with_pauses() {
    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::Reopen, std::iter::repeat_n(StoreFault::RequestLost, 10_000));
    assert_eq!(fixture.place().await, unknown(1));
    tokio::time::sleep(ORDER_TASK_MAX).await;
    assert!(fixture.store.faults_left(StoreCall::Reopen) > 9_000, "retried without pauses");
    assert_eq!(fixture.only_status(), (id(1), Status::NotCharged));
}

#[tokio::test(start_paused = true)]
async fn retry_of_an_order_in_progress_changes_nothing() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    assert_eq!(fixture.place().await, Err(PlaceError::InProgress { order: id(1) }));
    assert_eq!((fixture.only(), fixture.payments.calls().len()), (earlier, 0));
}

#[tokio::test(start_paused = true)]
async fn retry_that_cannot_read_the_settled_order_is_outcome_unknown() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    fixture.store.next(StoreCall::Find, [StoreFault::RequestLost]);
    let retry = fixture.spawn_place(TIME_LEFT);
    tokio::time::sleep(ms(1_000)).await;
    let paid = Settlement { status: Status::Paid, decline: None, guard: Guard::Pending };
    assert_eq!(fixture.store.inner.settle(earlier.fencing_token(), &paid).await, Ok(true));
    assert_eq!(retry.await.unwrap(), unknown(1));
}

#[tokio::test(start_paused = true)]
async fn retry_gets_the_result_of_a_reconciler() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    let retry = fixture.spawn_place(TIME_LEFT);
    tokio::time::sleep(ms(1_000)).await;
    let paid = Settlement { status: Status::Paid, decline: None, guard: Guard::Pending };
    assert_eq!(fixture.store.inner.settle(earlier.fencing_token(), &paid).await, Ok(true));
    assert_eq!(retry.await.unwrap(), Ok(Placed { order: fixture.only(), replayed: true }));
}

/// The number of reads of the status until now.
fn polls(fixture: &Fixture) -> usize {
    fixture.store.calls(StoreCall::Status)
}

#[tokio::test(start_paused = true)]
async fn one_of_the_waiting_retries_polls_with_growing_pauses() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    let waiting: Vec<_> = (0..50).map(|_| fixture.spawn_place(TIME_LEFT)).collect();
    tokio::time::sleep(ms(160)).await;
    // After 50 and 150 ms.
    assert_eq!(polls(&fixture), 2);
    tokio::time::sleep(ms(9_000)).await;
    // 350 and 750 ms, and every half second.
    assert_eq!(polls(&fixture), 4 + 16);
    // Each has read the order once, by its key.
    assert_eq!(fixture.store.calls(StoreCall::Find), 0);
    for retry in waiting {
        assert_eq!(retry.await.unwrap(), Err(PlaceError::InProgress { order: earlier.id }));
    }
}

#[tokio::test(start_paused = true)]
async fn polling_is_handed_over_when_a_retry_ends() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    let short: Vec<_> = (0..3).map(|_| fixture.spawn_place(ms(2_000))).collect();
    tokio::time::sleep(ms(10)).await;
    let long = fixture.spawn_place(TIME_LEFT);
    for retry in short {
        assert_eq!(retry.await.unwrap(), Err(PlaceError::InProgress { order: id(1) }));
    }
    let paid = Settlement { status: Status::Paid, decline: None, guard: Guard::Pending };
    assert_eq!(fixture.store.inner.settle(earlier.fencing_token(), &paid).await, Ok(true));
    let settled_at = tokio::time::Instant::now();
    assert_eq!(long.await.unwrap(), Ok(Placed { order: fixture.only(), replayed: true }));
    assert!(settled_at.elapsed() <= ms(600), "{:?}", settled_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn failed_poll_is_repeated() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    fixture.store.next(StoreCall::Status, [StoreFault::RequestLost, StoreFault::NotStarted]);
    let retry = fixture.spawn_place(TIME_LEFT);
    tokio::time::sleep(ms(200)).await;
    let paid = Settlement { status: Status::Paid, decline: None, guard: Guard::Pending };
    assert_eq!(fixture.store.inner.settle(earlier.fencing_token(), &paid).await, Ok(true));
    assert_eq!(retry.await.unwrap(), Ok(Placed { order: fixture.only(), replayed: true }));
}

#[tokio::test(start_paused = true)]
async fn retries_get_the_result_at_once_when_the_first_request_ends_here() {
    let fixture = Fixture::new();
    let charge = fixture.payments.hold(ChargeOutcome::Charged);
    let first = fixture.spawn_place(TIME_LEFT);
    fixture.payments.called(1).await;
    let waiting: Vec<_> = (0..RETRIES).map(|_| fixture.spawn_place(TIME_LEFT)).collect();
    tokio::time::sleep(ms(2_900)).await;
    let polled = polls(&fixture);
    charge.add_permits(1);
    let ended_at = tokio::time::Instant::now();
    assert!(!first.await.unwrap().unwrap().replayed);
    for retry in waiting {
        assert!(retry.await.unwrap().unwrap().replayed);
    }
    assert!(ended_at.elapsed() <= ms(1), "{:?}", ended_at.elapsed());
    assert_eq!(polls(&fixture), polled);
}
