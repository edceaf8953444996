//! An order that was not charged is taken in hand again by one.

use order::domain::{Guard, Hold, Order, Settlement, Status};

use super::{RACERS, SETTLED, Site, at_once, only_winner, settled, settlement};

pub(super) async fn not_charged_only(site: Site) {
    for status in [Status::Pending, Status::Paid, Status::Declined, Status::Voided] {
        let kept = site.kept(status).await;
        assert_eq!(site.orders.reopen(kept.hold()).await, Ok(false));
        site.holds(&kept).await;
    }
    let bystander = site.kept(Status::NotCharged).await;
    let from = site.kept(Status::NotCharged).await;
    assert_eq!(site.orders.reopen(from.hold()).await, Ok(true));
    site.holds(&from.reopened()).await;
    site.holds(&bystander).await;
    let absent = site.new_order(site.new_user());
    assert_eq!(site.orders.reopen(absent.hold()).await, Ok(false));
    assert_eq!(site.orders.find(absent.id).await, Ok(None));
}

pub(super) async fn stale_fence(site: Site) {
    let kept = site.kept(Status::NotCharged).await;
    for fence in [kept.fence - 1, kept.fence + 1] {
        assert_eq!(site.orders.reopen(Hold { fence, ..kept.hold() }).await, Ok(false));
        site.holds(&kept).await;
    }
}

pub(super) async fn race(site: Site) {
    let from = site.kept(Status::NotCharged).await;
    let attempts = (0..RACERS).map(|_| {
        let (orders, hold) = (site.orders.clone(), from.hold());
        async move { orders.reopen(hold).await.unwrap() }
    });
    only_winner(&at_once(attempts).await);
    site.holds(&from.reopened()).await;
}

pub(super) async fn settled_again(site: Site) {
    for status in SETTLED {
        let first = site.kept(Status::NotCharged).await;
        let second: Order = first.clone().reopened();
        assert_eq!(site.orders.reopen(first.hold()).await, Ok(true));
        let fenced = Settlement { guard: Guard::Fence, ..settlement(status) };
        assert_eq!(site.orders.settle(first.hold(), &fenced).await, Ok(false));
        assert_eq!(site.orders.settle(second.hold(), &fenced).await, Ok(true));
        site.holds(&settled(second, &fenced)).await;
    }
}
