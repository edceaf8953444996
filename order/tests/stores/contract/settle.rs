//! An order is settled once, by whoever comes first and may.

use order::{
    domain::{Guard, Order, Settlement, Status},
    ports::Mint,
};

use super::{RACERS, SETTLED, Site, at_once, only_winner, settled, settlement};

pub(super) async fn to_any_status(site: Site) {
    let bystander = site.kept(Status::Pending).await;
    for status in SETTLED {
        for guard in [Guard::Pending, Guard::Fence] {
            let order = site.kept(Status::Pending).await;
            let settlement = Settlement { guard, ..settlement(status) };
            assert_eq!(site.orders.settle(order.hold(), &settlement).await, Ok(true));
            site.holds(&settled(order, &settlement)).await;
        }
    }
    site.holds(&bystander).await;
}

pub(super) async fn race(site: Site) {
    let order = site.kept(Status::Pending).await;
    let settlements: Vec<Settlement> = (0..RACERS).map(|n| settlement(SETTLED[n % SETTLED.len()])).collect();
    let attempts = settlements.clone().into_iter().map(|settlement| {
        let (orders, order) = (site.orders.clone(), order.clone());
        async move { orders.settle(order.hold(), &settlement).await.unwrap() }
    });
    let winner = only_winner(&at_once(attempts).await);
    site.holds(&settled(order, &settlements[winner])).await;
}

pub(super) async fn stale_fence(site: Site) {
    let order = site.kept(Status::Pending).await;
    for fence in [order.fence - 1, order.fence + 1] {
        let other_holder = Order { fence, ..order.clone() };
        for status in SETTLED {
            let fenced = Settlement { guard: Guard::Fence, ..settlement(status) };
            assert_eq!(site.orders.settle(other_holder.hold(), &fenced).await, Ok(false));
            site.holds(&order).await;
        }
    }
    // What Payment said is right whoever heard it.
    let lost_it = Order { fence: order.fence - 1, ..order.clone() };
    assert_eq!(site.orders.settle(lost_it.hold(), &settlement(Status::Paid)).await, Ok(true));
    site.holds(&settled(order, &settlement(Status::Paid))).await;
}

pub(super) async fn never_again(site: Site) {
    for first in SETTLED {
        let kept = site.kept(first).await;
        let as_pending = Order { status: Status::Pending, decline: None, ..kept.clone() };
        for second in SETTLED {
            for guard in [Guard::Pending, Guard::Fence] {
                let settlement = Settlement { guard, ..settlement(second) };
                assert_eq!(site.orders.settle(as_pending.hold(), &settlement).await, Ok(false));
                site.holds(&kept).await;
            }
        }
    }
}

pub(super) async fn nothing(site: Site) {
    let absent = site.new_order(site.new_user());
    assert_eq!(site.orders.settle(absent.hold(), &settlement(Status::Paid)).await, Ok(false));
    // Another order of the same user and key is another order.
    let kept = site.kept(Status::Pending).await;
    let misnamed = Order { id: site.mint.order_id(), ..kept.clone() };
    assert_eq!(site.orders.settle(misnamed.hold(), &settlement(Status::Paid)).await, Ok(false));
    site.holds(&kept).await;
}
