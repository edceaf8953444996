//! What is due, by the store's clock, and who takes it in hand.

use std::time::Duration;

use order::{
    domain::{Due, Guard, Hold, Order, OrderId, Settlement, Status},
    ports::FIRST_CHECK,
};
use tokio::time::Instant;

use super::{RACERS, SETTLED, Site, at_once, only_winner, settled, settlement};

/// How long anything here may take, and how far a clock of whole milliseconds may be off.
const PATIENCE: Duration = Duration::from_secs(20);
const ROUNDED: Duration = Duration::from_millis(5);

/// The order as it is once it was claimed.
fn claimed(order: Order) -> Order {
    Order { fence: order.fence + 1, attempts: order.attempts + 1, ..order }
}

impl Site {
    /// The order among those that are due.
    async fn due(&self, id: OrderId) -> Option<Due> {
        let due = self.orders.due(u32::MAX).await.unwrap();
        due.into_iter().find(|due| due.charge.order == id)
    }

    /// Waits until the order is due.
    async fn until_due(&self, id: OrderId) -> Due {
        let waited = async {
            loop {
                match self.due(id).await {
                    Some(due) => return due,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.unwrap()
    }

    /// Takes the order in hand so that it is due at once.
    async fn make_due(&self, order: Order) -> Order {
        assert_eq!(self.orders.claim(order.hold(), Duration::ZERO).await, Ok(true));
        claimed(order)
    }
}

pub(super) async fn after_the_first_check(site: Site) {
    let before = Instant::now();
    let order = site.kept(Status::Pending).await;
    let kept_by = Instant::now();
    let at_once = site.due(order.id).await;
    if before.elapsed() < FIRST_CHECK {
        assert_eq!(at_once, None);
    }
    let due = site.until_due(order.id).await;
    assert!(before.elapsed() + ROUNDED >= FIRST_CHECK);
    assert_eq!((due.charge, due.hold()), (order.charge(), order.hold()));
    assert!(due.pending_for + ROUNDED >= FIRST_CHECK && due.pending_for <= before.elapsed() + ROUNDED);
    assert!(kept_by.elapsed() < PATIENCE);
}

pub(super) async fn pending_only(site: Site) {
    for status in SETTLED {
        let order = site.make_due(site.kept(Status::Pending).await).await;
        assert!(site.due(order.id).await.is_some());
        assert_eq!(site.orders.settle(order.hold(), &settlement(status)).await, Ok(true));
        assert_eq!(site.due(order.id).await, None, "{status:?}");
        assert_eq!(site.orders.claim(order.hold(), Duration::ZERO).await, Ok(false), "{status:?}");
        site.holds(&settled(order, &settlement(status))).await;
    }
    let absent = site.new_order(site.new_user());
    assert_eq!(site.orders.claim(absent.hold(), Duration::ZERO).await, Ok(false));
    assert_eq!(site.orders.find(absent.id).await, Ok(None));
}

pub(super) async fn again_when_it_was_told(site: Site) {
    let bystander = site.make_due(site.kept(Status::Pending).await).await;
    let order = site.make_due(site.kept(Status::Pending).await).await;
    assert_eq!(site.orders.claim(order.hold(), Duration::from_secs(3600)).await, Ok(true));
    assert_eq!(site.due(order.id).await, None);
    site.holds(&claimed(order)).await;
    assert!(site.due(bystander.id).await.is_some());
}

pub(super) async fn longest_first_and_no_more_than_asked_for(site: Site) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(site.make_due(site.kept(Status::Pending).await).await.id);
        // The store's clock may count whole milliseconds.
        tokio::time::sleep(ROUNDED).await;
    }
    let due = site.orders.due(u32::MAX).await.unwrap();
    let listed = due.iter().map(|due| due.charge.order).filter(|id| ids.contains(id));
    assert_eq!(listed.collect::<Vec<_>>(), ids);
    let first = site.orders.due(2).await.unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!(first[0].charge, due[0].charge);
}

pub(super) async fn stale_fence(site: Site) {
    let order = site.kept(Status::Pending).await;
    for fence in [order.fence - 1, order.fence + 1] {
        assert_eq!(site.orders.claim(Hold { fence, ..order.hold() }, Duration::ZERO).await, Ok(false));
        site.holds(&order).await;
    }
    // Whoever held it before can no longer say that nothing was charged.
    let taken = site.make_due(order.clone()).await;
    let fenced = Settlement { guard: Guard::Fence, ..settlement(Status::NotCharged) };
    assert_eq!(site.orders.settle(order.hold(), &fenced).await, Ok(false));
    site.holds(&taken).await;
}

pub(super) async fn race(site: Site) {
    let order = site.kept(Status::Pending).await;
    let attempts = (0..RACERS).map(|_| {
        let (orders, hold) = (site.orders.clone(), order.hold());
        async move { orders.claim(hold, Duration::ZERO).await.unwrap() }
    });
    only_winner(&at_once(attempts).await);
    site.holds(&claimed(order)).await;
}

pub(super) async fn since_it_became_pending(site: Site) {
    let order = site.kept(Status::NotCharged).await;
    tokio::time::sleep(ROUNDED * 4).await;
    let reopened_after = Instant::now();
    assert_eq!(site.orders.reopen(order.hold()).await, Ok(true));
    let order = site.make_due(order.reopened()).await;
    let due = site.due(order.id).await.unwrap();
    assert!(due.pending_for <= reopened_after.elapsed() + ROUNDED, "{:?}", due.pending_for);
}

pub(super) async fn backlog(site: Site) {
    site.make_due(site.kept(Status::Pending).await).await;
    let before = site.orders.due(u32::MAX).await.unwrap();
    let backlog = site.orders.backlog(u32::MAX).await.unwrap();
    let after = site.orders.due(u32::MAX).await.unwrap();
    assert!((before.len()..=after.len()).contains(&backlog.orphans), "{backlog:?}");
    assert!(before.iter().all(|due| due.pending_for <= backlog.oldest), "{backlog:?}");
    assert_eq!(site.orders.backlog(1).await.unwrap().orphans, 1);
}
