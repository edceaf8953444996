//! Reopening NOT_CHARGED orders.

use order::domain::{FencingToken, Guard, Order, Settlement, Status};

use super::{Fixture, RACERS, SETTLED, concurrently, only_winner, settled, settlement};

pub(super) async fn not_charged_only(fixture: Fixture) {
    for status in [Status::Pending, Status::Paid, Status::Declined, Status::Voided] {
        let order = fixture.inserted(status).await;
        assert_eq!(fixture.orders().reopen(order.fencing_token()).await, Ok(false));
        fixture.assert_stored(&order).await;
    }
    let bystander = fixture.inserted(Status::NotCharged).await;
    let from = fixture.inserted(Status::NotCharged).await;
    assert_eq!(fixture.orders().reopen(from.fencing_token()).await, Ok(true));
    fixture.assert_stored(&from.reopened()).await;
    fixture.assert_stored(&bystander).await;
    let absent = fixture.new_order(fixture.new_user());
    assert_eq!(fixture.orders().reopen(absent.fencing_token()).await, Ok(false));
    assert_eq!(fixture.orders().find(absent.id).await, Ok(None));
}

pub(super) async fn stale_fence(fixture: Fixture) {
    let order = fixture.inserted(Status::NotCharged).await;
    for fence in [order.fence - 1, order.fence + 1] {
        assert_eq!(fixture.orders().reopen(FencingToken { fence, ..order.fencing_token() }).await, Ok(false));
        fixture.assert_stored(&order).await;
    }
}

pub(super) async fn race(fixture: Fixture) {
    let from = fixture.inserted(Status::NotCharged).await;
    let attempts = (0..RACERS).map(|_| {
        let (orders, token) = (fixture.orders(), from.fencing_token());
        async move { orders.reopen(token).await.unwrap() }
    });
    only_winner(&concurrently(attempts).await);
    fixture.assert_stored(&from.reopened()).await;
}

pub(super) async fn settled_again(fixture: Fixture) {
    for status in SETTLED {
        let first = fixture.inserted(Status::NotCharged).await;
        let second: Order = first.clone().reopened();
        assert_eq!(fixture.orders().reopen(first.fencing_token()).await, Ok(true));
        let fenced = Settlement { guard: Guard::Fence, ..settlement(status) };
        assert_eq!(fixture.orders().settle(first.fencing_token(), &fenced).await, Ok(false));
        assert_eq!(fixture.orders().settle(second.fencing_token(), &fenced).await, Ok(true));
        fixture.assert_stored(&settled(second, &fenced)).await;
    }
}
