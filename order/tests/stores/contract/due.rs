//! Due orders by the clock of the store, claims and the backlog.

use std::time::Duration;

use order::{
    domain::{FencingToken, Guard, Order, OrderId, PendingOrder, Settlement, Status},
    ports::FIRST_CHECK,
};
use tokio::time::Instant;

use super::{Fixture, RACERS, SETTLED, concurrently, only_winner, settled, settlement};

/// The timeout of a wait, and the rounding error of a clock of whole milliseconds.
const TIMEOUT: Duration = Duration::from_secs(20);
const ROUNDED: Duration = Duration::from_millis(5);

impl Fixture {
    /// The order, if it is due.
    async fn due(&self, id: OrderId) -> Option<PendingOrder> {
        let due = self.orders().due(u32::MAX).await.unwrap();
        due.into_iter().find(|due| due.order == id)
    }

    /// Waits until the order is due.
    async fn until_due(&self, id: OrderId) -> PendingOrder {
        let due = async {
            loop {
                match self.due(id).await {
                    Some(due) => return due,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(TIMEOUT, due).await.unwrap()
    }

    /// Claims the order with an empty lease, so that it is due at once.
    async fn make_due(&self, order: Order) -> Order {
        assert_eq!(self.orders().claim(order.fencing_token(), Duration::ZERO).await, Ok(true));
        order.claimed()
    }
}

pub(super) async fn after_the_first_check(fixture: Fixture) {
    let before = Instant::now();
    let order = fixture.inserted(Status::Pending).await;
    let inserted_by = Instant::now();
    let due_at_first = fixture.due(order.id).await;
    if before.elapsed() < FIRST_CHECK {
        assert_eq!(due_at_first, None);
    }
    let due = fixture.until_due(order.id).await;
    assert!(before.elapsed() + ROUNDED >= FIRST_CHECK);
    assert_eq!((due.charge, due.fencing_token()), (order.charge(), order.fencing_token()));
    assert!(due.pending_for + ROUNDED >= FIRST_CHECK && due.pending_for <= before.elapsed() + ROUNDED);
    assert!(inserted_by.elapsed() < TIMEOUT);
}

pub(super) async fn pending_only(fixture: Fixture) {
    for status in SETTLED {
        let order = fixture.make_due(fixture.inserted(Status::Pending).await).await;
        assert!(fixture.due(order.id).await.is_some());
        assert_eq!(fixture.orders().settle(order.fencing_token(), &settlement(status)).await, Ok(true));
        assert_eq!(fixture.due(order.id).await, None, "{status:?}");
        assert_eq!(
            fixture.orders().claim(order.fencing_token(), Duration::ZERO).await,
            Ok(false),
            "{status:?}"
        );
        fixture.assert_stored(&settled(order, &settlement(status))).await;
    }
    let absent = fixture.new_order(fixture.new_user());
    assert_eq!(fixture.orders().claim(absent.fencing_token(), Duration::ZERO).await, Ok(false));
    assert_eq!(fixture.orders().find(absent.id).await, Ok(None));
}

pub(super) async fn after_the_lease(fixture: Fixture) {
    let bystander = fixture.make_due(fixture.inserted(Status::Pending).await).await;
    let order = fixture.make_due(fixture.inserted(Status::Pending).await).await;
    assert_eq!(fixture.orders().claim(order.fencing_token(), Duration::from_secs(3600)).await, Ok(true));
    assert_eq!(fixture.due(order.id).await, None);
    fixture.assert_stored(&order.claimed()).await;
    assert!(fixture.due(bystander.id).await.is_some());
}

pub(super) async fn renewed(fixture: Fixture) {
    let bystander = fixture.make_due(fixture.inserted(Status::Pending).await).await;
    let order = fixture.make_due(fixture.inserted(Status::Pending).await).await;
    let hour = Duration::from_secs(3600);
    assert_eq!(fixture.orders().renew(&[order.id], hour).await, Ok(()));
    assert_eq!(fixture.due(order.id).await, None);
    fixture.assert_stored(&order).await;
    assert!(fixture.due(bystander.id).await.is_some());

    let before = Instant::now();
    let order = fixture.make_due(fixture.inserted(Status::Pending).await).await;
    let lease = Duration::from_millis(200);
    assert_eq!(fixture.orders().renew(&[order.id], lease).await, Ok(()));
    fixture.until_due(order.id).await;
    assert!(before.elapsed() + ROUNDED >= lease);
}

pub(super) async fn renewed_in_vain(fixture: Fixture) {
    let order = fixture.inserted(Status::Pending).await;
    assert_eq!(fixture.orders().claim(order.fencing_token(), Duration::from_secs(3600)).await, Ok(true));
    assert_eq!(fixture.orders().renew(&[order.id], Duration::ZERO).await, Ok(()));
    assert_eq!(fixture.due(order.id).await, None);
    assert_eq!(fixture.orders().renew(&[], Duration::ZERO).await, Ok(()));
    for status in SETTLED {
        let order = fixture.inserted(status).await;
        assert_eq!(fixture.orders().renew(&[order.id], Duration::ZERO).await, Ok(()));
        fixture.assert_stored(&order).await;
    }
    let absent = fixture.new_order(fixture.new_user());
    assert_eq!(fixture.orders().renew(&[absent.id], Duration::ZERO).await, Ok(()));
    assert_eq!(fixture.orders().find(absent.id).await, Ok(None));
}

pub(super) async fn many_renewed(fixture: Fixture) {
    let mut orders = Vec::new();
    for _ in 0..13 {
        orders.push(fixture.make_due(fixture.inserted(Status::Pending).await).await.id);
    }
    // More than one statement, with orders that do not exist.
    let others = (0..150).map(|_| fixture.new_order(fixture.new_user()).id);
    let renewed: Vec<OrderId> = others.chain(orders[..12].iter().copied()).collect();
    assert_eq!(fixture.orders().renew(&renewed, Duration::from_secs(3600)).await, Ok(()));
    for order in &orders[..12] {
        assert_eq!(fixture.due(*order).await, None);
    }
    assert!(fixture.due(orders[12]).await.is_some());
}

pub(super) async fn longest_first_up_to_the_limit(fixture: Fixture) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(fixture.make_due(fixture.inserted(Status::Pending).await).await.id);
        // The clock of the store may count whole milliseconds.
        tokio::time::sleep(ROUNDED).await;
    }
    let due = fixture.orders().due(u32::MAX).await.unwrap();
    let listed = due.iter().map(|due| due.order).filter(|id| ids.contains(id));
    assert_eq!(listed.collect::<Vec<_>>(), ids);
    let first = fixture.orders().due(2).await.unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!(first[0].charge, due[0].charge);
}

pub(super) async fn stale_fence(fixture: Fixture) {
    let order = fixture.inserted(Status::Pending).await;
    for fence in [order.fence - 1, order.fence + 1] {
        assert_eq!(
            fixture.orders().claim(FencingToken { fence, ..order.fencing_token() }, Duration::ZERO).await,
            Ok(false)
        );
        fixture.assert_stored(&order).await;
    }
    // The previous holder can no longer record NOT_CHARGED.
    let claimed = fixture.make_due(order.clone()).await;
    let fenced = Settlement { guard: Guard::Fence, ..settlement(Status::NotCharged) };
    assert_eq!(fixture.orders().settle(order.fencing_token(), &fenced).await, Ok(false));
    fixture.assert_stored(&claimed).await;
}

pub(super) async fn race(fixture: Fixture) {
    let order = fixture.inserted(Status::Pending).await;
    let attempts = (0..RACERS).map(|_| {
        let (orders, token) = (fixture.orders(), order.fencing_token());
        async move { orders.claim(token, Duration::ZERO).await.unwrap() }
    });
    only_winner(&concurrently(attempts).await);
    fixture.assert_stored(&order.claimed()).await;
}

pub(super) async fn since_it_became_pending(fixture: Fixture) {
    let order = fixture.inserted(Status::NotCharged).await;
    tokio::time::sleep(ROUNDED * 4).await;
    let reopened_after = Instant::now();
    assert_eq!(fixture.orders().reopen(order.fencing_token()).await, Ok(true));
    let order = fixture.make_due(order.reopened()).await;
    let due = fixture.due(order.id).await.unwrap();
    assert!(due.pending_for <= reopened_after.elapsed() + ROUNDED, "{:?}", due.pending_for);
}

pub(super) async fn mismatch(fixture: Fixture) {
    let before = fixture.orders().backlog(u32::MAX).await.unwrap();
    let order = fixture.make_due(fixture.inserted(Status::Pending).await).await;
    let attempts = (0..8).map(|_| {
        let (orders, id) = (fixture.orders(), order.id);
        async move { orders.record_mismatch(id).await.unwrap() }
    });
    only_winner(&concurrently(attempts).await);
    assert_eq!(fixture.orders().record_mismatch(order.id).await, Ok(false));
    fixture.assert_stored(&order).await;
    assert!(fixture.due(order.id).await.is_some());

    let backlog = fixture.orders().backlog(u32::MAX).await.unwrap();
    assert_eq!(backlog.mismatches, before.mismatches + 1);
    assert_eq!(fixture.orders().settle(order.fencing_token(), &settlement(Status::Voided)).await, Ok(true));
    assert_eq!(fixture.orders().backlog(u32::MAX).await.unwrap().mismatches, before.mismatches);
}

pub(super) async fn backlog(fixture: Fixture) {
    fixture.make_due(fixture.inserted(Status::Pending).await).await;
    let before = fixture.orders().due(u32::MAX).await.unwrap();
    let backlog = fixture.orders().backlog(u32::MAX).await.unwrap();
    let after = fixture.orders().due(u32::MAX).await.unwrap();
    assert!((before.len()..=after.len()).contains(&backlog.orphans), "{backlog:?}");
    assert!(before.iter().all(|due| due.pending_for <= backlog.oldest), "{backlog:?}");
    assert_eq!(fixture.orders().backlog(1).await.unwrap().orphans, 1);
}
