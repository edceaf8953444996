//! Settling PENDING orders, once each.

use order::{
    domain::{Guard, Order, Settlement, Status},
    ports::IdGenerator,
};

use super::{Fixture, RACERS, SETTLED, concurrently, only_winner, settled, settlement};

pub(super) async fn to_any_status(fixture: Fixture) {
    let bystander = fixture.inserted(Status::Pending).await;
    for status in SETTLED {
        for guard in [Guard::Pending, Guard::Fence] {
            let order = fixture.inserted(Status::Pending).await;
            let settlement = Settlement { guard, ..settlement(status) };
            assert_eq!(fixture.orders().settle(order.fencing_token(), &settlement).await, Ok(true));
            fixture.assert_stored(&settled(order, &settlement)).await;
        }
    }
    fixture.assert_stored(&bystander).await;
}

pub(super) async fn race(fixture: Fixture) {
    let order = fixture.inserted(Status::Pending).await;
    let settlements: Vec<Settlement> = (0..RACERS).map(|n| settlement(SETTLED[n % SETTLED.len()])).collect();
    let attempts = settlements.clone().into_iter().map(|settlement| {
        let (orders, order) = (fixture.orders(), order.clone());
        async move { orders.settle(order.fencing_token(), &settlement).await.unwrap() }
    });
    let winner = only_winner(&concurrently(attempts).await);
    fixture.assert_stored(&settled(order, &settlements[winner])).await;
}

pub(super) async fn stale_fence(fixture: Fixture) {
    let order = fixture.inserted(Status::Pending).await;
    for fence in [order.fence - 1, order.fence + 1] {
        let other_holder = Order { fence, ..order.clone() };
        for status in SETTLED {
            let fenced = Settlement { guard: Guard::Fence, ..settlement(status) };
            assert_eq!(fixture.orders().settle(other_holder.fencing_token(), &fenced).await, Ok(false));
            fixture.assert_stored(&order).await;
        }
    }
    // Payment's response never changes, so any task may record it.
    let stale = Order { fence: order.fence - 1, ..order.clone() };
    assert_eq!(fixture.orders().settle(stale.fencing_token(), &settlement(Status::Paid)).await, Ok(true));
    fixture.assert_stored(&settled(order, &settlement(Status::Paid))).await;
}

pub(super) async fn never_again(fixture: Fixture) {
    for first in SETTLED {
        let order = fixture.inserted(first).await;
        let as_pending = Order { status: Status::Pending, decline: None, ..order.clone() };
        for second in SETTLED {
            for guard in [Guard::Pending, Guard::Fence] {
                let settlement = Settlement { guard, ..settlement(second) };
                assert_eq!(fixture.orders().settle(as_pending.fencing_token(), &settlement).await, Ok(false));
                fixture.assert_stored(&order).await;
            }
        }
    }
}

pub(super) async fn missing_order(fixture: Fixture) {
    let absent = fixture.new_order(fixture.new_user());
    assert_eq!(fixture.orders().settle(absent.fencing_token(), &settlement(Status::Paid)).await, Ok(false));
    // The id alone identifies the order, not its user and key.
    let order = fixture.inserted(Status::Pending).await;
    let misnamed = Order { id: fixture.ids.order_id(), ..order.clone() };
    assert_eq!(fixture.orders().settle(misnamed.fencing_token(), &settlement(Status::Paid)).await, Ok(false));
    fixture.assert_stored(&order).await;
}
