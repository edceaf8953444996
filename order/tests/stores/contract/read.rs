//! What was kept reads back as it was.

use money::{Currency, Money};
use order::{
    domain::{Draft, ITEMS_MAX, Item, KEY_BYTES_MAX, Order, PRODUCT_CODE_CHARS_MAX, QUANTITY_MAX, Status},
    ports::{Mint, Page},
};

use super::{SETTLED, Site};
use crate::samples::{NOW_MS, decline, draft, item, key};

pub(super) async fn as_written(site: Site) {
    let longest_key = (b'!'..=b'~').cycle().take(KEY_BYTES_MAX).map(char::from).collect::<String>();
    for (currency, items) in [("USD", full_of_extremes()), ("JPY", one_at("JPY", Money::MINOR_MAX))] {
        let drafted = Draft::new(site.new_user(), items).unwrap();
        let written = Order {
            fence: i64::MAX,
            attempts: 3,
            created_ms: NOW_MS,
            ..Order::place(site.mint.order_id(), key(&longest_key), drafted, NOW_MS)
        };
        assert_eq!(written.total.currency().code(), currency);
        site.insert(&written).await;
        site.holds(&written).await;
    }
}

pub(super) async fn exact_amounts(site: Site) {
    for (code, minor) in
        [("USD", 1), ("JPY", 1), ("KWD", 1), ("USD", Money::MINOR_MAX), ("KWD", Money::MINOR_MAX)]
    {
        let drafted = Draft::new(site.new_user(), one_at(code, minor)).unwrap();
        let written = Order::place(site.mint.order_id(), site.mint.key(), drafted, NOW_MS);
        site.insert(&written).await;
        let found = site.orders.find(written.id).await.unwrap().unwrap();
        assert_eq!((found.total, found.items), (written.total, written.items));
    }
}

pub(super) async fn exact_times(site: Site) {
    for created_ms in [NOW_MS, NOW_MS + 1, NOW_MS + 999, 0] {
        let written = Order { created_ms, ..site.new_order(site.new_user()) };
        site.insert(&written).await;
        site.holds(&written).await;
    }
}

/// As many items as there may be, each with all that a column could cut off, round or reorder.
fn full_of_extremes() -> Vec<Item> {
    let price = |minor| Money::from_minor(Currency::USD, minor).unwrap();
    let four_bytes = "😀".repeat(PRODUCT_CODE_CHARS_MAX);
    let pieces = i32::try_from(QUANTITY_MAX).unwrap();
    let mut items: Vec<Item> =
        (0..98_i32).rev().map(|n| item(&format!("sku {n}"), price(n.into()), n + 1)).collect();
    items.insert(17, item(&four_bytes, price(0), pieces));
    let so_far = Draft::new(crate::samples::user(1), items.clone()).unwrap().total().minor();
    items.push(item("'; DROP TABLE orders; --", price(Money::MINOR_MAX - so_far), 1));
    assert_eq!(items.len(), ITEMS_MAX);
    items
}

fn one_at(currency: &str, minor: i64) -> Vec<Item> {
    vec![item("sku1", Money::from_minor(Currency::from_code(currency).unwrap(), minor).unwrap(), 1)]
}

pub(super) async fn of_any_status(site: Site) {
    for status in SETTLED.into_iter().chain([Status::Pending]) {
        // As it comes to be by settling, and as a store that took it over from another would keep it.
        let settled = site.kept(status).await;
        site.holds(&settled).await;
        let written = Order {
            status,
            decline: (status == Status::Declined).then(decline),
            ..site.new_order(site.new_user())
        };
        site.insert(&written).await;
        site.holds(&written).await;
    }
}

pub(super) async fn nothing_of_nothing(site: Site) {
    let (kept, absent) = (site.kept(Status::Pending).await, site.new_order(site.new_user()));
    assert_eq!(site.orders.find(absent.id).await, Ok(None));
    assert_eq!(site.orders.find_by_key(absent.user, &absent.key).await, Ok(None));
    assert_eq!(site.orders.find_by_key(kept.user, &absent.key).await, Ok(None));
    assert_eq!(site.orders.find_by_key(absent.user, &kept.key).await, Ok(None));
    let nothing = Page { orders: Vec::new(), more: false };
    assert_eq!(site.orders.list(absent.user, None, 50, 1000).await, Ok(nothing.clone()));
    assert_eq!(site.orders.list(kept.user, Some(kept.id), 50, 1000).await, Ok(nothing));
}

pub(super) async fn byte_for_byte(site: Site) {
    let user = site.new_user();
    let codes = [" sku", "sku ", "SKU", "sku", "e\u{301}", "é", "ﬀ", "ß", "\u{feff}sku", "a\u{200b}b"];
    let items = codes.map(|code| item(code, draft(user, 7).total(), 1));
    let drafted = Draft::new(user, items.to_vec()).unwrap();
    let written = Order::place(site.mint.order_id(), site.mint.key(), drafted, NOW_MS);
    site.insert(&written).await;
    site.holds(&written).await;
}
