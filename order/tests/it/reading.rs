//! Reading orders back through the application.

use order::{
    application::{ITEMS_PER_PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, ReadError},
    domain::{Order, UserId},
    ports::Orders,
};

use crate::{
    fake::{Fault, Op},
    placing::World,
    samples::{NOW_MS, always, draft_of, id, key, order, user},
};

/// A world with so many orders of user 1, each with so many items.
async fn world_of(orders: u32, items: usize) -> World {
    let world = World::new();
    for n in 1..=orders {
        let order = Order::place(id(n.into()), key(&n.to_string()), draft_of(user(1), items, 12), NOW_MS);
        world.store.kept.insert(&order, always()).await.unwrap();
    }
    world
}

/// How many orders a page of this size has, and whether more follow.
async fn page(world: &World, page_size: u32) -> (usize, bool) {
    let page = world.application.orders_of(user(1), None, page_size).await.unwrap();
    (page.orders.len(), page.more)
}

#[tokio::test]
async fn a_page_has_a_size_by_default_and_one_at_most() {
    let default = usize::try_from(PAGE_SIZE_DEFAULT).unwrap();
    let most = usize::try_from(PAGE_SIZE_MAX).unwrap();
    let world = world_of(PAGE_SIZE_MAX + 1, 1).await;
    assert_eq!(page(&world, 0).await, (default, true));
    assert_eq!(page(&world, 7).await, (7, true));
    assert_eq!(page(&world, PAGE_SIZE_MAX + 1).await, (most, true));
    assert_eq!(page(&world, u32::MAX).await, (most, true));
}

#[tokio::test]
async fn a_page_of_large_orders_ends_early() {
    let world = world_of(ITEMS_PER_PAGE_MAX / 100 + 1, 100).await;
    assert_eq!(page(&world, PAGE_SIZE_MAX).await, (100, true));
}

#[tokio::test]
async fn another_users_order_looks_like_none() {
    let world = World::new();
    let theirs = order(id(7), user(2), key("k"));
    world.store.kept.insert(&theirs, always()).await.unwrap();
    let find = async |order, owner: Option<UserId>| world.application.order(id(order), owner).await;
    assert_eq!(find(7, Some(user(1))).await, Err(ReadError::NotFound));
    assert_eq!(find(8, None).await, Err(ReadError::NotFound));
    assert_eq!(find(7, Some(user(2))).await, Ok(theirs.clone()));
    assert_eq!(find(7, None).await, Ok(theirs));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_not_an_order_that_is_not_there() {
    let world = World::new();
    for fault in [Fault::NotStarted, Fault::Lost] {
        world.store.next(Op::Find, [fault]);
        world.store.next(Op::List, [fault]);
        assert_eq!(world.application.order(id(7), None).await, Err(ReadError::Unavailable));
        assert_eq!(world.application.orders_of(user(1), None, 0).await, Err(ReadError::Unavailable));
    }
}
