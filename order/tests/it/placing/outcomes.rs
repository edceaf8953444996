//! Every outcome of a charge, with the result and the stored order.

use order::{
    application::{PlaceError, Placed},
    domain::{ChargeOutcome, Order, Status},
};
use tokio::time::Instant;

use super::{Fixture, TIME_LEFT, ms};
use test_support::order::{Charge, StoreCall, StoreFault, command, id, key, order, user};

#[tokio::test(start_paused = true)]
async fn order_is_saved_pending_then_charged_then_paid() {
    let fixture = Fixture::new();
    let charge = fixture.payments.hold(ChargeOutcome::Charged);
    let placing = fixture.spawn_place(TIME_LEFT);
    fixture.payments.called(1).await;
    let pending = order(id(1), user(1), key("k"));
    assert_eq!(fixture.only(), pending);
    let call = &fixture.payments.calls()[0];
    assert_eq!((call.order, Some(call.total)), (pending.id, pending.total));
    charge.add_permits(1);
    let paid = Order { status: Status::Paid, ..pending };
    assert_eq!(placing.await.unwrap(), Ok(Placed { order: paid.clone(), replayed: false }));
    assert_eq!(fixture.only(), paid);
    assert_eq!(fixture.charged(), [paid.id]);
}

#[tokio::test(start_paused = true)]
async fn not_charged_is_committed_before_it_is_returned() {
    let fixture = Fixture::new();
    fixture.payments.next([Charge::Ends(ChargeOutcome::NeverRan)]);
    fixture.store.next(StoreCall::Settle, [StoreFault::Slow(ms(3_000))]);
    let started = Instant::now();
    assert_eq!(fixture.place().await, Err(PlaceError::NotCharged { order: id(1) }));
    assert_eq!(started.elapsed(), ms(3_000));
    assert_eq!(fixture.only_status(), (id(1), Status::NotCharged));
}

#[tokio::test(start_paused = true)]
async fn request_without_a_key_gets_a_generated_one() {
    let fixture = Fixture::new();
    for n in 1..=2 {
        let placed = fixture.application.place_order(command(user(1), 12), None, TIME_LEFT).await.unwrap();
        assert_eq!((placed.order.id, placed.order.key), (id(n), key(&format!("key-{n}"))));
    }
    assert_eq!(fixture.charged(), [id(1), id(2)]);
}
