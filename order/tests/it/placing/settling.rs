//! Settling an order that others settle too, or in a store that fails: the row alone decides.

use std::time::Duration;

use order::{
    application::PlaceError,
    domain::{ChargeOutcome, Guard, Order, Settlement, Status},
    ports::Orders,
};
use tokio::time::Instant;

use super::{BUDGET, World, unknown};
use crate::{
    fake::{Alarm, Charge, Fault, Op},
    samples::{decline, id},
};

/// What is said, and kept, where another driver settles the order while this one's call is under way.
async fn while_another_settles(mine: ChargeOutcome, theirs: Status) -> (World, Result<(), PlaceError>) {
    let world = World::new();
    let charge = world.payments.hold(mine);
    let placing = world.spawn_place(BUDGET);
    world.payments.called(1).await;
    let settlement = Settlement {
        status: theirs,
        decline: (theirs == Status::Declined).then(decline),
        guard: Guard::Pending,
    };
    assert_eq!(world.store.kept.settle(world.only().hold(), &settlement).await, Ok(true));
    charge.add_permits(1);
    let answer = placing.await.unwrap();
    (world, answer.map(|placed| assert_eq!((placed.order.status, placed.replayed), (Status::Paid, false))))
}

#[tokio::test(start_paused = true)]
async fn the_loser_tells_what_the_winner_wrote() {
    let voided = || PlaceError::Voided { order: id(1) };
    let declined = PlaceError::Declined { order: id(1), decline: decline(), replayed: false };
    for (mine, theirs, told) in [
        (ChargeOutcome::Charged, Status::Paid, Ok(())),
        (ChargeOutcome::NeverRan, Status::Paid, Ok(())),
        (ChargeOutcome::NeverRan, Status::Declined, Err(declined.clone())),
        (ChargeOutcome::Declined(decline()), Status::Declined, Err(declined)),
        (ChargeOutcome::NeverRan, Status::Voided, Err(voided())),
        (ChargeOutcome::Voided, Status::Voided, Err(voided())),
    ] {
        let (world, answer) = while_another_settles(mine, theirs).await;
        assert_eq!(answer, told);
        assert_eq!(world.only_status(), (id(1), theirs));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_the_fence_cannot_say_that_nothing_was_charged() {
    let world = World::new();
    let charge = world.payments.hold(ChargeOutcome::NeverRan);
    let placing = world.spawn_place(BUDGET);
    world.payments.called(1).await;
    assert_eq!(world.store.kept.claim(world.only().hold(), BUDGET).await, Ok(true));
    charge.add_permits(1);
    let lost = Instant::now();
    assert_eq!(placing.await.unwrap(), unknown(1));
    // Asking again would bring it back no more.
    assert_eq!(lost.elapsed(), Duration::ZERO);
    assert_eq!(world.only_status(), (id(1), Status::Pending));
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_fails_is_made_again() {
    let outcomes = [
        (ChargeOutcome::Charged, Status::Paid),
        (ChargeOutcome::Declined(decline()), Status::Declined),
        (ChargeOutcome::NeverRan, Status::NotCharged),
    ];
    for (outcome, status) in outcomes {
        for fault in [Fault::AnswerLost, Fault::Lost, Fault::NotStarted] {
            let world = World::new();
            world.payments.next([Charge::Ends(outcome.clone())]);
            world.store.next(Op::Settle, [fault, fault]);
            let answer = world.place().await;
            let expected = match status {
                Status::Paid => Ok(order::application::Placed { order: world.only(), replayed: false }),
                Status::Declined => {
                    Err(PlaceError::Declined { order: id(1), decline: decline(), replayed: false })
                }
                _ => Err(PlaceError::NotCharged { order: id(1) }),
            };
            assert_eq!(answer, expected, "{status:?} {fault:?}");
            assert_eq!(world.only_status(), (id(1), status));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_cannot_be_read_again_is_made_again() {
    for settle in [Fault::AnswerLost, Fault::Lost] {
        for find in [Fault::NotStarted, Fault::Lost] {
            let world = World::new();
            world.store.next(Op::Settle, [settle]);
            world.store.next(Op::Find, [find]);
            assert!(world.place().await.is_ok());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_keeps_failing_is_unknown() {
    let world = World::new();
    world.store.next(Op::Settle, [Fault::Lost; 1000]);
    assert_eq!(world.place().await, unknown(1));
    assert_eq!(world.only_status(), (id(1), Status::Pending));
    assert!(world.store.faults_left(Op::Settle) > 900, "asked without a bound");
}

#[tokio::test(start_paused = true)]
async fn a_charge_is_never_told_as_not_charged() {
    // No driver writes this; whoever repairs rows by hand might.
    let world = World::new();
    let charge = world.payments.hold(ChargeOutcome::Charged);
    let placing = world.spawn_place(BUDGET);
    world.payments.called(1).await;
    let by_hand = Settlement { status: Status::NotCharged, decline: None, guard: Guard::Pending };
    let row: Order = world.only();
    assert_eq!(world.store.kept.settle(row.hold(), &by_hand).await, Ok(true));
    charge.add_permits(1);
    assert_eq!(placing.await.unwrap(), unknown(1));
    assert_eq!(world.monitor.alarms(), [Alarm::Conflict(id(1), Status::NotCharged, Status::Paid)]);
}
