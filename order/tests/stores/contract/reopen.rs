//! An order that was not charged is taken in hand again by one.

use order::domain::{Guard, Order, Settlement, Status};

use super::{RACERS, SETTLED, Site, at_once, only_winner, settled, settlement};
use crate::samples::NOW_MS;

/// Later than any order here was placed.
const REOPENED_MS: i64 = NOW_MS + 86_400_001;

pub(super) async fn from_open_only(site: Site) {
    for status in [Status::Paid, Status::Declined, Status::Voided] {
        let kept = site.kept(status).await;
        refuses(&site, &kept, &kept).await;
    }
    for status in [Status::Pending, Status::Paid, Status::Declined, Status::Voided] {
        let kept = site.kept(status).await;
        refuses(&site, &kept, &Order { status: Status::NotCharged, decline: None, ..kept.clone() }).await;
    }
    let orphan = site.kept(Status::Pending).await;
    let to = orphan.clone().reopened(REOPENED_MS);
    assert_eq!(site.orders.reopen(&orphan, &to).await, Ok(true));
    site.holds(&to).await;
    let bystander = site.kept(Status::NotCharged).await;
    let from = site.kept(Status::NotCharged).await;
    let to = from.clone().reopened(REOPENED_MS);
    assert_eq!(site.orders.reopen(&from, &to).await, Ok(true));
    site.holds(&to).await;
    site.holds(&bystander).await;
    let absent = Order { status: Status::NotCharged, ..site.new_order(site.new_user()) };
    assert_eq!(site.orders.reopen(&absent, &absent.clone().reopened(REOPENED_MS)).await, Ok(false));
    assert_eq!(site.orders.find(absent.id).await, Ok(None));
}

/// The row stays as it was `kept`, whatever it is claimed to be.
async fn refuses(site: &Site, kept: &Order, claimed: &Order) {
    assert_eq!(site.orders.reopen(claimed, &claimed.clone().reopened(REOPENED_MS)).await, Ok(false));
    site.holds(kept).await;
}

pub(super) async fn stale_fence(site: Site) {
    let kept = site.kept(Status::NotCharged).await;
    for fence in [kept.fence - 1, kept.fence + 1] {
        let stale = Order { fence, ..kept.clone() };
        assert_eq!(site.orders.reopen(&stale, &stale.clone().reopened(REOPENED_MS)).await, Ok(false));
        site.holds(&kept).await;
    }
}

pub(super) async fn race(site: Site) {
    let from = site.kept(Status::NotCharged).await;
    let reopened: Vec<Order> = (REOPENED_MS..).take(RACERS).map(|at| from.clone().reopened(at)).collect();
    let attempts = reopened.clone().into_iter().map(|to| {
        let (orders, from) = (site.orders.clone(), from.clone());
        async move { orders.reopen(&from, &to).await.unwrap() }
    });
    let winner = only_winner(&at_once(attempts).await);
    site.holds(&reopened[winner]).await;
}

pub(super) async fn settled_again(site: Site) {
    for status in SETTLED {
        let first = site.kept(Status::NotCharged).await;
        let second = first.clone().reopened(REOPENED_MS);
        assert_eq!(site.orders.reopen(&first, &second).await, Ok(true));
        let fenced = Settlement { guard: Guard::Fence, ..settlement(status) };
        assert_eq!(site.orders.settle(&first, &fenced).await, Ok(false));
        assert_eq!(site.orders.settle(&second, &fenced).await, Ok(true));
        site.holds(&settled(second, &fenced)).await;
    }
}
