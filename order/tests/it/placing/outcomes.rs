//! Every answer of Payment, and what becomes of the order.

use order::{
    application::{PlaceError, Placed},
    domain::{ChargeOutcome, Order, Status},
};
use tokio::time::Instant;

use super::{BUDGET, World, ms, unknown, wanted};
use crate::{
    fake::{Charge, Fault, Op},
    samples::{NOW_MS, decline, draft, id, key, user},
};

#[tokio::test(start_paused = true)]
async fn an_order_is_saved_pending_then_charged_then_paid() {
    let world = World::new();
    let charge = world.payments.hold(ChargeOutcome::Charged);
    let placing = world.spawn_place(BUDGET);
    world.payments.called(1).await;
    let pending = Order::place(id(1), key("k"), wanted(), NOW_MS);
    assert_eq!(world.only(), pending);
    let call = &world.payments.calls()[0];
    assert_eq!((call.order, call.total), (pending.id, pending.total));
    charge.add_permits(1);
    let paid = Order { status: Status::Paid, ..pending };
    assert_eq!(placing.await.unwrap(), Ok(Placed { order: paid.clone(), replayed: false }));
    assert_eq!(world.only(), paid);
    assert_eq!(world.charged(), [paid.id]);
}

#[tokio::test(start_paused = true)]
async fn a_decline_is_kept_with_its_reason() {
    let world = World::new();
    world.payments.next([Charge::Ends(ChargeOutcome::Declined(decline()))]);
    let declined = PlaceError::Declined { order: id(1), decline: decline(), replayed: false };
    assert_eq!(world.place().await, Err(declined));
    assert_eq!(world.only_status(), (id(1), Status::Declined));
    assert_eq!(world.only().decline, Some(decline()));
}

#[tokio::test(start_paused = true)]
async fn not_charged_is_recorded_before_it_is_said() {
    let world = World::new();
    world.payments.next([Charge::Ends(ChargeOutcome::NeverRan)]);
    world.store.next(Op::Settle, [Fault::Late(ms(3_000))]);
    let started = Instant::now();
    assert_eq!(world.place().await, Err(PlaceError::NotCharged { order: id(1) }));
    assert_eq!(started.elapsed(), ms(3_000));
    assert_eq!(world.only_status(), (id(1), Status::NotCharged));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_run_stays_pending() {
    for outcome in [ChargeOutcome::Unknown, ChargeOutcome::Mismatch] {
        let world = World::new();
        world.payments.next([Charge::Ends(outcome)]);
        assert_eq!(world.place().await, unknown(1));
        world.drained().await;
        assert_eq!(world.only_status(), (id(1), Status::Pending));
        assert_eq!(world.payments.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_payment_holds_a_tombstone_for_is_voided() {
    let world = World::new();
    world.payments.next([Charge::Ends(ChargeOutcome::Voided)]);
    assert_eq!(world.place().await, Err(PlaceError::Voided { order: id(1) }));
    assert_eq!(world.only_status(), (id(1), Status::Voided));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_is_given_one_of_its_own() {
    let world = World::new();
    for n in 1..=2 {
        let placed = world.application.place_order(draft(user(1), 12), None, BUDGET).await.unwrap();
        assert_eq!((placed.order.id, placed.order.key), (id(n), key(&format!("minted-{n}"))));
    }
    assert_eq!(world.charged(), [id(1), id(2)]);
}
