//! What a caller is told whose time is up, and what goes on without it.

use std::time::Duration;

use order::{
    application::{ANSWER_MARGIN, CHARGE_MAX, DRIVE_MAX, PlaceError, Placed, RECHARGE_MAX, WORK_MIN},
    domain::{Attempts, ChargeOutcome, Order, Status},
    ports::Orders,
};
use tokio::time::Instant;

use super::{BUDGET, World, ms, not_started, unknown};
use crate::{
    fake::{Charge, Fault, Op},
    samples::id,
};

const TICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn too_little_time_starts_nothing() {
    let world = World::new();
    let least = ANSWER_MARGIN + WORK_MIN;
    for budget in [Duration::ZERO, TICK, ANSWER_MARGIN, least - TICK] {
        let started = Instant::now();
        let answer = world.place_within(budget).await;
        assert!(not_started(&answer), "{answer:?}");
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
    assert_eq!(world.store.kept.all(), []);
    assert!(world.place_within(least).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_mid_charge_is_answered_in_time_and_cuts_nothing() {
    let world = World::new();
    world.payments.next([Charge::EndsAfter(ms(1_700), ChargeOutcome::Charged)]);
    let started = Instant::now();
    assert_eq!(world.place_within(ms(2_000)).await, unknown(1));
    assert_eq!(started.elapsed(), ms(2_000) - ANSWER_MARGIN);
    assert_eq!(world.only_status(), (id(1), Status::Pending));
    world.drained().await;
    assert_eq!(started.elapsed(), ms(1_700));
    assert_eq!(world.only_status(), (id(1), Status::Paid));
    assert_eq!(world.payments.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_mid_settlement_is_answered_in_time_and_cuts_nothing() {
    let world = World::new();
    world.store.next(Op::Settle, [Fault::Late(ms(4_000))]);
    let started = Instant::now();
    assert_eq!(world.place_within(ms(2_000)).await, unknown(1));
    assert_eq!(started.elapsed(), ms(2_000) - ANSWER_MARGIN);
    world.drained().await;
    assert_eq!(world.only_status(), (id(1), Status::Paid));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_while_saving_names_the_order_that_may_come_to_be() {
    let world = World::new();
    world.store.next(Op::Insert, [Fault::Late(ms(4_000))]);
    let started = Instant::now();
    assert_eq!(world.place_within(ms(2_000)).await, unknown(1));
    assert_eq!(started.elapsed(), ms(2_000) - ANSWER_MARGIN);
    assert_eq!(world.store.kept.all(), []);
    world.drained().await;
    assert_eq!(world.only_status(), (id(1), Status::Paid));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_while_waiting_to_save_starts_nothing() {
    let world = World::new();
    world.store.next(Op::Insert, [Fault::Queued(ms(4_000))]);
    let started = Instant::now();
    let answer = world.place_within(ms(2_000)).await;
    assert!(not_started(&answer), "{answer:?}");
    assert_eq!(started.elapsed(), ms(2_000) - ANSWER_MARGIN);
    world.drained().await;
    assert_eq!(world.store.kept.all(), []);
    assert_eq!(world.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_while_waiting_to_save_again_names_the_order_that_is_in_doubt() {
    let world = World::new();
    world.store.next(Op::Insert, [Fault::Lost, Fault::Queued(ms(4_000))]);
    assert_eq!(world.place_within(ms(2_000)).await, unknown(1));
    world.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_before_an_earlier_order_was_found_starts_nothing() {
    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::FindByKey, [Fault::Late(ms(4_000))]);
    let answer = world.place_within(ms(2_000)).await;
    assert!(not_started(&answer), "{answer:?}");
    // What was told of this request stays true.
    world.drained().await;
    assert_eq!(world.only_status(), (id(1), Status::NotCharged));
    assert_eq!(world.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_hangs_is_waited_for_within_a_bound() {
    let world = World::new();
    let _never = world.payments.hold(ChargeOutcome::Charged);
    let started = Instant::now();
    assert_eq!(world.place().await, unknown(1));
    assert_eq!(started.elapsed(), BUDGET - ANSWER_MARGIN);
    world.drained().await;
    assert!(started.elapsed() < DRIVE_MAX);
    assert_eq!(world.only_status(), (id(1), Status::Pending));
}

#[tokio::test(start_paused = true)]
async fn a_charge_has_the_callers_time_and_leaves_some_to_settle() {
    for budget in [ms(600), ms(2_000), BUDGET, DRIVE_MAX] {
        let world = World::new();
        let _never = world.payments.hold(ChargeOutcome::Charged);
        assert_eq!(world.place_within(budget).await, unknown(1));
        let time_left = world.payments.calls()[0].time_left;
        assert!(time_left + ms(5_000) <= DRIVE_MAX, "{time_left:?}");
        assert_eq!(time_left, budget.min(CHARGE_MAX));
    }
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_begins_late_has_a_settlements_time() {
    // The caller is answered after 1.5 s.
    for (saved_after, time_to_charge) in
        [(ms(1_400), ms(600)), (ms(1_500), RECHARGE_MAX), (ms(4_000), RECHARGE_MAX)]
    {
        let world = World::new();
        world.store.next(Op::Insert, [Fault::Late(saved_after)]);
        let _ = world.place_within(ms(2_000)).await;
        world.drained().await;
        assert_eq!(world.payments.calls()[0].time_left, time_to_charge, "{saved_after:?}");
        assert_eq!(world.only_status(), (id(1), Status::Paid));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_ends_the_task_within_a_bound() {
    for op in [Op::Insert, Op::Settle] {
        let world = World::new();
        world.store.next(op, [Fault::Late(DRIVE_MAX * 2)]);
        let started = Instant::now();
        assert_eq!(world.place().await, unknown(1));
        world.drained().await;
        assert_eq!(started.elapsed(), DRIVE_MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_still_worked_on_is_said_to_be_so_in_time() {
    let (world, earlier) = World::with_earlier(Status::Pending).await;
    let started = Instant::now();
    let answer = world.place_within(ms(2_000)).await;
    assert_eq!(answer, Err(PlaceError::InProgress { order: earlier.id }));
    let latest = ms(2_000) - ANSWER_MARGIN;
    assert!(started.elapsed() <= latest && started.elapsed() >= latest - ms(100), "{:?}", started.elapsed());
    // Nobody is left who waits for a caller that was answered.
    world.drained().await;
    assert!(started.elapsed() <= latest, "{:?}", started.elapsed());
    assert_eq!(world.only(), earlier);
    assert_eq!(world.payments.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_still_worked_on_is_said_to_be_so_by_a_slow_store_too() {
    let (world, earlier) = World::with_earlier(Status::Pending).await;
    world.store.next(Op::Find, [Fault::Late(ms(4_000))]);
    let started = Instant::now();
    let answer = world.place_within(ms(2_000)).await;
    assert_eq!(answer, Err(PlaceError::InProgress { order: earlier.id }));
    assert_eq!(started.elapsed(), ms(2_000) - ANSWER_MARGIN);
    // Nor does it begin anything when the first ends without a charge.
    ends_not_charged(&world, &earlier).await;
    begins_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_while_reopening_names_the_order_that_may_be_charged() {
    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::Reopen, [Fault::Late(ms(4_000))]);
    assert_eq!(world.place_within(ms(2_000)).await, unknown(1));
    assert_eq!(world.only_status(), (id(1), Status::NotCharged));
    world.drained().await;
    assert_eq!(world.only_status(), (id(1), Status::Paid));
}

/// The driver that placed `earlier` ends without a charge.
async fn ends_not_charged(world: &World, earlier: &Order) {
    let not_charged = ChargeOutcome::NeverRan.settlement(Attempts::AllOwn).unwrap();
    assert_eq!(world.store.kept.settle(earlier.hold(), &not_charged).await, Ok(true));
}

/// Whoever still works leaves the order as it ended, and asks Payment for nothing.
async fn begins_nothing(world: &World) {
    world.drained().await;
    assert_eq!(world.only_status(), (id(1), Status::NotCharged));
    assert_eq!(world.payments.calls(), []);
}

/// What a retry is told that loses a race for reopening the order, and whose time is up before it reads who won.
async fn overtaken_while_reopening(mine: impl IntoIterator<Item = Fault>) -> Result<Placed, PlaceError> {
    let (world, earlier) = World::with_earlier(Status::NotCharged).await;
    let mine: Vec<_> = mine.into_iter().chain([Fault::Late(ms(1_000))]).collect();
    // Each attempt but the last is followed by a read.
    world.store.next(Op::Find, vec![Fault::None; mine.len() - 1]);
    world.store.next(Op::Find, [Fault::Late(ms(4_000))]);
    world.store.next(Op::Reopen, mine);
    let placing = world.spawn_place(ms(2_000));
    tokio::time::sleep(ms(500)).await;
    assert_eq!(world.store.kept.reopen(earlier.hold()).await, Ok(true));
    placing.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_deadline_after_another_reopened_the_order_tells_who_may_have_begun() {
    let in_progress = Err(PlaceError::InProgress { order: id(1) });
    assert_eq!(overtaken_while_reopening([]).await, in_progress);
    // The attempt without an answer may be the one that won.
    assert_eq!(overtaken_while_reopening([Fault::Lost]).await, unknown(1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_has_no_time_left_to_charge_repeats_that_nothing_was_charged() {
    let (world, earlier) = World::with_earlier(Status::Pending).await;
    let retry = world.spawn_place(DRIVE_MAX);
    tokio::time::sleep(CHARGE_MAX).await;
    ends_not_charged(&world, &earlier).await;
    assert_eq!(retry.await.unwrap(), Err(PlaceError::NotCharged { order: id(1) }));
    begins_nothing(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_reopening_that_keeps_failing_ends_when_there_is_no_time_left_to_charge() {
    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::Reopen, vec![Fault::Lost; 10_000]);
    let started = Instant::now();
    assert_eq!(world.place_within(DRIVE_MAX).await, unknown(1));
    world.drained().await;
    assert!(started.elapsed() <= CHARGE_MAX + ms(100), "{:?}", started.elapsed());
}
