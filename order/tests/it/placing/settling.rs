//! Settling an order that another task settles too, or in a store that fails.

use std::time::Duration;

use order::{
    application::PlaceError,
    domain::{ChargeOutcome, Guard, Order, Settlement, Status},
    ports::Orders,
};
use tokio::time::Instant;

use super::{Fixture, TIME_LEFT, unknown};
use test_support::order::{Alarm, Charge, StoreCall, StoreFault, decline, id};

/// Places an order that another task settles while the charge is in progress.
async fn while_another_settles(mine: ChargeOutcome, theirs: Status) -> (Fixture, Result<(), PlaceError>) {
    let fixture = Fixture::new();
    let charge = fixture.payments.hold(mine);
    let placing = fixture.spawn_place(TIME_LEFT);
    fixture.payments.called(1).await;
    let settlement = Settlement {
        status: theirs,
        decline: (theirs == Status::Declined).then(decline),
        guard: Guard::Pending,
    };
    assert_eq!(fixture.store.inner.settle(fixture.only().fencing_token(), &settlement).await, Ok(true));
    charge.add_permits(1);
    let result = placing.await.unwrap();
    (fixture, result.map(|placed| assert_eq!((placed.order.status, placed.replayed), (Status::Paid, false))))
}

#[tokio::test(start_paused = true)]
async fn result_is_that_of_the_task_that_settled_first() {
    let voided = || PlaceError::Voided { order: id(1) };
    let declined = PlaceError::Declined { order: id(1), decline: decline(), replayed: false };
    for (mine, theirs, expected) in [
        (ChargeOutcome::Charged, Status::Paid, Ok(())),
        (ChargeOutcome::NeverRan, Status::Paid, Ok(())),
        (ChargeOutcome::NeverRan, Status::Declined, Err(declined.clone())),
        (ChargeOutcome::Declined(decline()), Status::Declined, Err(declined)),
        (ChargeOutcome::NeverRan, Status::Voided, Err(voided())),
        (ChargeOutcome::Voided, Status::Voided, Err(voided())),
    ] {
        let (fixture, result) = while_another_settles(mine, theirs).await;
        assert_eq!(result, expected);
        assert_eq!(fixture.only_status(), (id(1), theirs));
    }
}

#[tokio::test(start_paused = true)]
async fn not_charged_is_not_recorded_after_another_claim() {
    let fixture = Fixture::new();
    let charge = fixture.payments.hold(ChargeOutcome::NeverRan);
    let placing = fixture.spawn_place(TIME_LEFT);
    fixture.payments.called(1).await;
    assert_eq!(fixture.store.inner.claim(fixture.only().fencing_token(), TIME_LEFT).await, Ok(true));
    charge.add_permits(1);
    let since_claim = Instant::now();
    assert_eq!(placing.await.unwrap(), unknown(1));
    // Without a retry, which could not succeed.
    assert_eq!(since_claim.elapsed(), Duration::ZERO);
    assert_eq!(fixture.only_status(), (id(1), Status::Pending));
}

#[tokio::test(start_paused = true)]
async fn failed_settlement_is_retried() {
    let outcomes = [
        (ChargeOutcome::Charged, Status::Paid),
        (ChargeOutcome::Declined(decline()), Status::Declined),
        (ChargeOutcome::NeverRan, Status::NotCharged),
    ];
    for (outcome, status) in outcomes {
        for fault in [StoreFault::ResponseLost, StoreFault::RequestLost, StoreFault::NotStarted] {
            let fixture = Fixture::new();
            fixture.payments.next([Charge::Ends(outcome.clone())]);
            fixture.store.next(StoreCall::Settle, [fault, fault]);
            let result = fixture.place().await;
            let expected = match status {
                Status::Paid => Ok(order::application::Placed { order: fixture.only(), replayed: false }),
                Status::Declined => {
                    Err(PlaceError::Declined { order: id(1), decline: decline(), replayed: false })
                }
                _ => Err(PlaceError::NotCharged { order: id(1) }),
            };
            assert_eq!(result, expected, "{status:?} {fault:?}");
            assert_eq!(fixture.only_status(), (id(1), status));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn settlement_that_cannot_be_read_is_retried() {
    for settle in [StoreFault::ResponseLost, StoreFault::RequestLost] {
        for find in [StoreFault::NotStarted, StoreFault::RequestLost] {
            let fixture = Fixture::new();
            fixture.store.next(StoreCall::Settle, [settle]);
            fixture.store.next(StoreCall::Find, [find]);
            assert!(fixture.place().await.is_ok());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn settlement_that_keeps_failing_is_outcome_unknown() {
    let fixture = Fixture::new();
    fixture.store.next(StoreCall::Settle, [StoreFault::RequestLost; 1000]);
    assert_eq!(fixture.place().await, unknown(1));
    assert_eq!(fixture.only_status(), (id(1), Status::Pending));
    assert!(fixture.store.faults_left(StoreCall::Settle) > 900, "retried without a bound");
}

#[tokio::test(start_paused = true)]
async fn charged_order_is_never_reported_as_not_charged() {
    // No task writes this; an operator who repairs rows by hand might.
    let fixture = Fixture::new();
    let charge = fixture.payments.hold(ChargeOutcome::Charged);
    let placing = fixture.spawn_place(TIME_LEFT);
    fixture.payments.called(1).await;
    let by_hand = Settlement { status: Status::NotCharged, decline: None, guard: Guard::Pending };
    let row: Order = fixture.only();
    assert_eq!(fixture.store.inner.settle(row.fencing_token(), &by_hand).await, Ok(true));
    charge.add_permits(1);
    assert_eq!(placing.await.unwrap(), unknown(1));
    assert_eq!(fixture.monitor.alarms(), [Alarm::Conflict(id(1), Status::NotCharged, Status::Paid)]);
}
