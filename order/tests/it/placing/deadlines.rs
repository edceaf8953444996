//! Requests whose deadline passes: the result, and what the saga does afterwards.

use std::time::Duration;

use order::{
    application::{
        CHARGE_MAX, ORDER_TASK_MAX, PlaceError, Placed, RECOVERY_CALL_MAX, RESPONSE_MARGIN, WORK_MIN,
    },
    domain::{Attempts, ChargeOutcome, Order, Status},
    ports::Orders,
};
use tokio::time::Instant;

use super::{Fixture, TIME_LEFT, is_not_started, ms, unknown};
use test_support::order::{Charge, StoreCall, StoreFault, id};

const TICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn request_with_too_little_time_is_not_started() {
    let fixture = Fixture::new();
    let time_min = RESPONSE_MARGIN + WORK_MIN;
    for time_left in [Duration::ZERO, TICK, RESPONSE_MARGIN, time_min - TICK] {
        let started = Instant::now();
        let result = fixture.place_with_time_left(time_left).await;
        assert!(is_not_started(&result), "{result:?}");
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
    assert_eq!(fixture.store.inner.all(), []);
    assert!(fixture.place_with_time_left(time_min).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn deadline_during_the_charge_returns_in_time_and_the_saga_completes() {
    let fixture = Fixture::new();
    fixture.payments.next([Charge::EndsAfter(ms(1_700), ChargeOutcome::Charged)]);
    let started = Instant::now();
    assert_eq!(fixture.place_with_time_left(ms(2_000)).await, unknown(1));
    assert_eq!(started.elapsed(), ms(2_000) - RESPONSE_MARGIN);
    assert_eq!(fixture.only_status(), (id(1), Status::Pending));
    fixture.drained().await;
    assert_eq!(started.elapsed(), ms(1_700));
    assert_eq!(fixture.only_status(), (id(1), Status::Paid));
    assert_eq!(fixture.payments.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn deadline_during_settling_returns_in_time_and_the_saga_completes() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Settle, [StoreFault::Slow(ms(4_000))]);
    let started = Instant::now();
    assert_eq!(fixture.place_with_time_left(ms(2_000)).await, unknown(1));
    assert_eq!(started.elapsed(), ms(2_000) - RESPONSE_MARGIN);
    fixture.drained().await;
    assert_eq!(fixture.only_status(), (id(1), Status::Paid));
}

#[tokio::test(start_paused = true)]
async fn deadline_during_the_insert_returns_the_id_of_the_order() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::Slow(ms(4_000))]);
    let started = Instant::now();
    assert_eq!(fixture.place_with_time_left(ms(2_000)).await, unknown(1));
    assert_eq!(started.elapsed(), ms(2_000) - RESPONSE_MARGIN);
    assert_eq!(fixture.store.inner.all(), []);
    fixture.drained().await;
    assert_eq!(fixture.only_status(), (id(1), Status::Paid));
}

#[tokio::test(start_paused = true)]
async fn deadline_while_the_insert_is_queued_is_not_started() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::Queued(ms(4_000))]);
    let started = Instant::now();
    let result = fixture.place_with_time_left(ms(2_000)).await;
    assert!(is_not_started(&result), "{result:?}");
    assert_eq!(started.elapsed(), ms(2_000) - RESPONSE_MARGIN);
    fixture.drained().await;
    assert_eq!(fixture.store.inner.all(), []);
    assert_eq!(fixture.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn deadline_while_a_second_insert_is_queued_returns_the_in_doubt_order() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Insert, [StoreFault::RequestLost, StoreFault::Queued(ms(4_000))]);
    assert_eq!(fixture.place_with_time_left(ms(2_000)).await, unknown(1));
    fixture.drained().await;
}

#[tokio::test(start_paused = true)]
async fn deadline_before_the_earlier_order_is_found_is_not_started() {
    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::FindByKey, [StoreFault::Slow(ms(4_000))]);
    let result = fixture.place_with_time_left(ms(2_000)).await;
    assert!(is_not_started(&result), "{result:?}");
    // The saga does nothing after the response.
    fixture.drained().await;
    assert_eq!(fixture.only_status(), (id(1), Status::NotCharged));
    assert_eq!(fixture.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_hanging_payment_is_bounded() {
    let fixture = Fixture::new();
    let _no_permits = fixture.payments.hold(ChargeOutcome::Charged);
    let started = Instant::now();
    assert_eq!(fixture.place().await, unknown(1));
    assert_eq!(started.elapsed(), TIME_LEFT - RESPONSE_MARGIN);
    fixture.drained().await;
    assert!(started.elapsed() < ORDER_TASK_MAX);
    assert_eq!(fixture.only_status(), (id(1), Status::Pending));
}

#[tokio::test(start_paused = true)]
async fn charge_timeout_is_the_time_left_and_leaves_time_to_settle() {
    for time_left in [ms(600), ms(2_000), TIME_LEFT, ORDER_TASK_MAX] {
        let fixture = Fixture::new();
        let _no_permits = fixture.payments.hold(ChargeOutcome::Charged);
        assert_eq!(fixture.place_with_time_left(time_left).await, unknown(1));
        let charge_timeout = fixture.payments.calls()[0].time_left;
        assert!(charge_timeout + ms(5_000) <= ORDER_TASK_MAX, "{charge_timeout:?}");
        assert_eq!(charge_timeout, time_left.min(CHARGE_MAX));
    }
}

#[tokio::test(start_paused = true)]
async fn charge_after_the_response_has_the_timeout_of_a_recovery() {
    // The client gets its response after 1.5 s.
    for (saved_after, charge_timeout) in
        [(ms(1_400), ms(600)), (ms(1_500), RECOVERY_CALL_MAX), (ms(4_000), RECOVERY_CALL_MAX)]
    {
        let fixture = Fixture::new();
        fixture.store.next(StoreCall::Insert, [StoreFault::Slow(saved_after)]);
        let _ = fixture.place_with_time_left(ms(2_000)).await;
        fixture.drained().await;
        assert_eq!(fixture.payments.calls()[0].time_left, charge_timeout, "{saved_after:?}");
        assert_eq!(fixture.only_status(), (id(1), Status::Paid));
    }
}

#[tokio::test(start_paused = true)]
async fn task_with_a_hanging_store_ends_at_its_time_limit() {
    for call in [StoreCall::Insert, StoreCall::Settle] {
        let fixture = Fixture::new();
        fixture.store.next(call, [StoreFault::Slow(ORDER_TASK_MAX * 2)]);
        let started = Instant::now();
        assert_eq!(fixture.place().await, unknown(1));
        fixture.drained().await;
        assert_eq!(started.elapsed(), ORDER_TASK_MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn in_progress_is_returned_in_time() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    let started = Instant::now();
    let result = fixture.place_with_time_left(ms(2_000)).await;
    assert_eq!(result, Err(PlaceError::InProgress { order: earlier.id }));
    let latest = ms(2_000) - RESPONSE_MARGIN;
    assert!(started.elapsed() <= latest && started.elapsed() >= latest - ms(100), "{:?}", started.elapsed());
    // The task ends with the response.
    fixture.drained().await;
    assert!(started.elapsed() <= latest, "{:?}", started.elapsed());
    assert_eq!(fixture.only(), earlier);
    assert_eq!(fixture.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn in_progress_is_returned_in_time_with_a_slow_store() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    fixture.store.next(StoreCall::Status, [StoreFault::Slow(ms(4_000))]);
    let started = Instant::now();
    let result = fixture.place_with_time_left(ms(2_000)).await;
    assert_eq!(result, Err(PlaceError::InProgress { order: earlier.id }));
    assert!(started.elapsed() <= ms(2_000) - RESPONSE_MARGIN, "{:?}", started.elapsed());
    // The retry does nothing after the earlier request has ended without a charge.
    record_not_charged(&fixture, &earlier).await;
    assert_nothing_starts(&fixture).await;
}

#[tokio::test(start_paused = true)]
async fn deadline_while_reopening_returns_the_order_that_may_be_charged() {
    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::Reopen, [StoreFault::Slow(ms(4_000))]);
    assert_eq!(fixture.place_with_time_left(ms(2_000)).await, unknown(1));
    assert_eq!(fixture.only_status(), (id(1), Status::NotCharged));
    fixture.drained().await;
    assert_eq!(fixture.only_status(), (id(1), Status::Paid));
}

/// Records that the saga of `earlier` ended without a charge.
async fn record_not_charged(fixture: &Fixture, earlier: &Order) {
    let not_charged = ChargeOutcome::NeverRan.settlement(Attempts::Exclusive).unwrap();
    assert_eq!(fixture.store.inner.settle(earlier.fencing_token(), &not_charged).await, Ok(true));
}

/// No task changes the order or calls Payment any more.
async fn assert_nothing_starts(fixture: &Fixture) {
    fixture.drained().await;
    assert_eq!(fixture.only_status(), (id(1), Status::NotCharged));
    assert_eq!(fixture.payments.calls(), []);
}

/// The result of a retry that loses the race to reopen the order, and whose deadline passes before it reads
/// the row again. `faults` are those of its earlier attempts.
async fn lose_reopening(faults: impl IntoIterator<Item = StoreFault>) -> Result<Placed, PlaceError> {
    let (fixture, earlier) = Fixture::with_earlier(Status::NotCharged).await;
    let faults: Vec<_> = faults.into_iter().chain([StoreFault::Slow(ms(1_000))]).collect();
    // A read follows each attempt; the last read is slow.
    fixture.store.next(StoreCall::Find, vec![StoreFault::None; faults.len() - 1]);
    fixture.store.next(StoreCall::Find, [StoreFault::Slow(ms(4_000))]);
    fixture.store.next(StoreCall::Reopen, faults);
    let placing = fixture.spawn_place(ms(2_000));
    tokio::time::sleep(ms(500)).await;
    assert_eq!(fixture.store.inner.reopen(earlier.fencing_token()).await, Ok(true));
    placing.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn deadline_after_another_retry_reopened_the_order() {
    let in_progress = Err(PlaceError::InProgress { order: id(1) });
    assert_eq!(lose_reopening([]).await, in_progress);
    // The attempt without a response may have reopened the order itself.
    assert_eq!(lose_reopening([StoreFault::RequestLost]).await, unknown(1));
}

#[tokio::test(start_paused = true)]
async fn retry_without_time_to_charge_replays_not_charged() {
    let (fixture, earlier) = Fixture::with_earlier(Status::Pending).await;
    let retry = fixture.spawn_place(ORDER_TASK_MAX);
    tokio::time::sleep(CHARGE_MAX).await;
    record_not_charged(&fixture, &earlier).await;
    assert_eq!(retry.await.unwrap(), Err(PlaceError::NotCharged { order: id(1) }));
    assert_nothing_starts(&fixture).await;
}

#[tokio::test(start_paused = true)]
async fn failing_reopening_is_not_retried_without_time_to_charge() {
    let (fixture, _) = Fixture::with_earlier(Status::NotCharged).await;
    fixture.store.next(StoreCall::Reopen, vec![StoreFault::RequestLost; 10_000]);
    let started = Instant::now();
    assert_eq!(fixture.place_with_time_left(ORDER_TASK_MAX).await, unknown(1));
    fixture.drained().await;
    assert!(started.elapsed() <= CHARGE_MAX + ms(100), "{:?}", started.elapsed());
}
