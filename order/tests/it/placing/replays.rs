//! A key that was used before: the same meaning gets the same answer, and one charge at most.

use std::collections::BTreeSet;

use order::{
    application::{DRIVE_MAX, PlaceError, Placed},
    domain::{ChargeOutcome, Guard, Order, Settlement, Status},
    ports::Orders,
};

use super::{BUDGET, World, ms, not_started, unknown};
use crate::{
    fake::{Charge, Fault, Op},
    samples::{decline, draft, draft_of, id, key, user},
};

const RETRIES: usize = 16;

#[tokio::test(start_paused = true)]
async fn a_final_answer_is_repeated_and_marked() {
    let declined = PlaceError::Declined { order: id(1), decline: decline(), replayed: true };
    for (status, told) in
        [(Status::Declined, declined), (Status::Voided, PlaceError::Voided { order: id(1) })]
    {
        let (world, earlier) = World::with_earlier(status).await;
        assert_eq!(world.place().await, Err(told));
        assert_eq!((world.only(), world.payments.calls().len()), (earlier, 0));
    }
    let (world, earlier) = World::with_earlier(Status::Paid).await;
    for _ in 0..2 {
        assert_eq!(world.place().await, Ok(Placed { order: earlier.clone(), replayed: true }));
    }
    assert_eq!((world.only(), world.payments.calls().len()), (earlier, 0));
}

#[tokio::test(start_paused = true)]
async fn another_meaning_under_the_same_key_is_refused_whatever_became_of_the_first() {
    for status in [Status::Pending, Status::Paid, Status::Declined, Status::NotCharged, Status::Voided] {
        let (world, earlier) = World::with_earlier(status).await;
        for other in [draft(user(1), 13), draft_of(user(1), 2, 12), draft_of(user(1), 2, 6)] {
            let answer = world.application.place_order(other, Some(key("k")), BUDGET).await;
            assert_eq!(answer, Err(PlaceError::KeyReused { order: id(1) }));
        }
        assert_eq!((world.only(), world.payments.calls().len()), (earlier, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_key_of_another_user_or_another_key_is_another_order() {
    let (world, _) = World::with_earlier(Status::Paid).await;
    let place = async |who, text: &str| {
        let placed =
            world.application.place_order(draft(user(who), 12), Some(key(text)), BUDGET).await.unwrap();
        assert!(!placed.replayed);
        placed.order.id
    };
    let ids = [place(2, "k").await, place(1, "K").await];
    assert_eq!(ids, [id(2), id(3)]);
    assert_eq!(world.charged(), ids);
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_the_first_and_gets_its_answer() {
    for (outcome, status) in [
        (ChargeOutcome::Charged, Status::Paid),
        (ChargeOutcome::Declined(decline()), Status::Declined),
        (ChargeOutcome::Voided, Status::Voided),
    ] {
        let world = World::new();
        let charge = world.payments.hold(outcome);
        let first = world.spawn_place(BUDGET);
        world.payments.called(1).await;
        let retry = world.spawn_place(BUDGET);
        tokio::time::sleep(ms(3_000)).await;
        assert!(!first.is_finished() && !retry.is_finished());
        charge.add_permits(1);
        let marked = |replayed| match status {
            Status::Paid => Ok(Placed { order: world.only(), replayed }),
            Status::Voided => Err(PlaceError::Voided { order: id(1) }),
            _ => Err(PlaceError::Declined { order: id(1), decline: decline(), replayed }),
        };
        assert_eq!(first.await.unwrap(), marked(false));
        assert_eq!(retry.await.unwrap(), marked(true));
        assert_eq!(world.payments.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_an_order_that_was_not_charged_charges_it_anew() {
    let (world, earlier) = World::with_earlier(Status::NotCharged).await;
    tokio::time::sleep(ms(60_000)).await;
    let reopened = Order { status: Status::Paid, fence: earlier.fence + 1, attempts: 2, ..earlier };
    assert_eq!(world.place().await, Ok(Placed { order: reopened.clone(), replayed: false }));
    assert_eq!(world.only(), reopened);
    assert_eq!(world.charged(), [id(1)]);
}

#[tokio::test(start_paused = true)]
async fn an_order_may_be_not_charged_many_times_and_then_charged_once() {
    let world = World::new();
    world.payments.next(vec![Charge::Ends(ChargeOutcome::NeverRan); 3]);
    for _ in 0..3 {
        assert_eq!(world.place().await, Err(PlaceError::NotCharged { order: id(1) }));
        assert_eq!(world.only_status(), (id(1), Status::NotCharged));
    }
    assert!(world.place().await.is_ok());
    let calls: BTreeSet<_> = world.payments.calls().into_iter().map(|call| call.order).collect();
    assert_eq!((world.charged(), calls), (vec![id(1)], BTreeSet::from([id(1)])));
}

/// Retries that all find the order not charged, told apart by what they hear.
async fn race(world: &World) -> Vec<Result<Placed, PlaceError>> {
    let retries: Vec<_> = (0..RETRIES).map(|_| world.spawn_place(BUDGET)).collect();
    let mut answers = Vec::new();
    for retry in retries {
        answers.push(retry.await.unwrap());
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn one_of_many_racing_retries_charges_and_all_hear_of_it() {
    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::Reopen, [Fault::Late(ms(1)); RETRIES]);
    world.payments.next([Charge::EndsAfter(ms(500), ChargeOutcome::Charged)]);
    let answers = race(&world).await;
    let paid: Vec<bool> = answers.into_iter().map(|answer| answer.unwrap().replayed).collect();
    assert_eq!(paid.iter().filter(|replayed| !**replayed).count(), 1);
    assert_eq!(world.payments.calls().len(), 1);
    assert_eq!((world.only().fence, world.only_status()), (2, (id(1), Status::Paid)));
}

#[tokio::test(start_paused = true)]
async fn of_many_racing_first_requests_with_one_key_one_is_saved_and_charged() {
    let world = World::new();
    world.store.next(Op::Insert, [Fault::Late(ms(1)); RETRIES]);
    world.payments.next([Charge::EndsAfter(ms(500), ChargeOutcome::Charged)]);
    let answers = race(&world).await;
    assert_eq!(answers.into_iter().filter(|answer| !answer.as_ref().unwrap().replayed).count(), 1);
    assert_eq!((world.only().status, world.payments.calls().len()), (Status::Paid, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reopening_that_was_never_sent_did_nothing() {
    // Meanwhile another retry may have charged the order: that it was not charged is no longer known.
    let (world, earlier) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::Reopen, [Fault::NotStarted]);
    let answer = world.place().await;
    assert!(not_started(&answer), "{answer:?}");
    assert_eq!((world.only(), world.payments.calls().len()), (earlier, 0));
}

#[tokio::test(start_paused = true)]
async fn a_doubtful_reopening_is_read_again() {
    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::Reopen, [Fault::Lost]);
    assert!(world.place().await.is_ok());
    assert_eq!(world.charged(), [id(1)]);

    // Whether it was this request or another that reopened the order, the row cannot tell.
    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::Reopen, [Fault::AnswerLost]);
    assert_eq!(world.place().await, unknown(1));
    assert_eq!(world.only_status(), (id(1), Status::Pending));

    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::Reopen, [Fault::Lost, Fault::NotStarted]);
    assert_eq!(world.place().await, unknown(1));
}

#[tokio::test(start_paused = true)]
async fn a_reopening_that_keeps_failing_is_tried_at_a_measured_pace() {
    let (world, _) = World::with_earlier(Status::NotCharged).await;
    world.store.next(Op::Reopen, std::iter::repeat_n(Fault::Lost, 10_000));
    assert_eq!(world.place().await, unknown(1));
    tokio::time::sleep(DRIVE_MAX).await;
    assert!(world.store.faults_left(Op::Reopen) > 9_000, "asked in a hot loop");
    assert_eq!(world.only_status(), (id(1), Status::NotCharged));
}

#[tokio::test(start_paused = true)]
async fn a_retry_leaves_an_order_alone_that_is_still_worked_on() {
    let (world, earlier) = World::with_earlier(Status::Pending).await;
    assert_eq!(world.place().await, Err(PlaceError::InProgress { order: id(1) }));
    assert_eq!((world.only(), world.payments.calls().len()), (earlier, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_cannot_read_knows_nothing() {
    let (world, _) = World::with_earlier(Status::Pending).await;
    world.store.next(Op::Find, [Fault::Lost]);
    assert_eq!(world.place().await, unknown(1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_hears_what_a_reconciler_settled() {
    let (world, earlier) = World::with_earlier(Status::Pending).await;
    let retry = world.spawn_place(BUDGET);
    tokio::time::sleep(ms(1_000)).await;
    let paid = Settlement { status: Status::Paid, decline: None, guard: Guard::Pending };
    assert_eq!(world.store.kept.settle(earlier.hold(), &paid).await, Ok(true));
    assert_eq!(retry.await.unwrap(), Ok(Placed { order: world.only(), replayed: true }));
}
