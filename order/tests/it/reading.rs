//! Reading orders through the application.

use order::{
    application::{ITEMS_PER_PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, ReadError},
    ports::Orders,
};

use crate::placing::Fixture;
use test_support::order::{StoreCall, StoreFault, always, id, items, key, order_of, user};

/// A fixture with so many orders of user 1, each with so many items.
async fn fixture_of(orders: u32, item_count: usize) -> Fixture {
    let fixture = Fixture::new();
    for n in 1..=orders {
        let order = order_of(id(n.into()), user(1), key(&n.to_string()), &items(item_count, 12));
        fixture.store.inner.insert(&order, always()).await.unwrap();
    }
    fixture
}

/// The number of orders of a page of this size, and whether more follow.
async fn page(fixture: &Fixture, page_size: u32) -> (usize, bool) {
    let page = fixture.application.list_orders(user(1), None, page_size).await.unwrap();
    (page.orders.len(), page.more)
}

#[tokio::test]
async fn page_size_has_a_default_and_a_maximum() {
    let default = usize::try_from(PAGE_SIZE_DEFAULT).unwrap();
    let most = usize::try_from(PAGE_SIZE_MAX).unwrap();
    let fixture = fixture_of(PAGE_SIZE_MAX + 1, 1).await;
    assert_eq!(page(&fixture, 0).await, (default, true));
    assert_eq!(page(&fixture, 7).await, (7, true));
    assert_eq!(page(&fixture, PAGE_SIZE_MAX + 1).await, (most, true));
    assert_eq!(page(&fixture, u32::MAX).await, (most, true));
}

#[tokio::test]
async fn page_of_large_orders_ends_early() {
    let fixture = fixture_of(ITEMS_PER_PAGE_MAX / 100 + 1, 100).await;
    assert_eq!(page(&fixture, PAGE_SIZE_MAX).await, (100, true));
}

#[tokio::test]
async fn unreachable_store_is_unavailable_rather_than_not_found() {
    let fixture = Fixture::new();
    for fault in [StoreFault::NotStarted, StoreFault::RequestLost] {
        fixture.store.next(StoreCall::Find, [fault]);
        fixture.store.next(StoreCall::List, [fault]);
        assert_eq!(fixture.application.get_order(id(7), None).await, Err(ReadError::Unavailable));
        assert_eq!(fixture.application.list_orders(user(1), None, 0).await, Err(ReadError::Unavailable));
    }
}
