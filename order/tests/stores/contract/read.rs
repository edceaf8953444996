//! Every field reads back as it was written.

use money::{Currency, Money};
use order::{
    domain::{ITEMS_MAX, Item, KEY_BYTES_MAX, Order, PRODUCT_CODE_CHARS_MAX, QUANTITY_MAX, Status},
    ports::{IdGenerator, Page},
};

use super::{Fixture, SETTLED};
use test_support::order::{NOW_MS, decline, dollars, draft, item, key, order_of, user};

pub(super) async fn as_written(fixture: Fixture) {
    let longest_key = (b'!'..=b'~').cycle().take(KEY_BYTES_MAX).map(char::from).collect::<String>();
    for (currency, items) in [("USD", full_of_extremes()), ("JPY", one_at("JPY", Money::MINOR_MAX))] {
        let order = order_of(fixture.ids.order_id(), fixture.new_user(), key(&longest_key), &items);
        let written = Order { fence: i64::MAX, attempts: 3, ..order };
        assert_eq!(written.total.map(|total| total.currency().code()), Some(currency));
        fixture.insert(&written).await;
        fixture.assert_stored(&written).await;
    }
}

pub(super) async fn exact_amounts(fixture: Fixture) {
    // Records keep currencies that requests no longer have: BGN and CLF.
    for code in ["USD", "JPY", "KWD", "BGN", "CLF"] {
        for minor in [1, Money::MINOR_MAX] {
            let (id, key) = (fixture.ids.order_id(), fixture.ids.key());
            let written = order_of(id, fixture.new_user(), key, &one_at(code, minor));
            fixture.insert(&written).await;
            let found = fixture.orders().find(written.id).await.unwrap().unwrap();
            assert_eq!((found.total, found.items), (written.total, written.items));
        }
    }
}

pub(super) async fn exact_times(fixture: Fixture) {
    for created_ms in [NOW_MS, NOW_MS + 1, NOW_MS + 999, 0] {
        let written = Order { created_ms, ..fixture.new_order(fixture.new_user()) };
        fixture.insert(&written).await;
        fixture.assert_stored(&written).await;
    }
}

/// The maximum number of items, with values that a column might truncate, round or reorder.
fn full_of_extremes() -> Vec<Item> {
    let price = |minor| Money::from_minor(Currency::USD, minor).unwrap();
    let four_bytes = "😀".repeat(PRODUCT_CODE_CHARS_MAX);
    let pieces = i32::try_from(QUANTITY_MAX).unwrap();
    let mut items: Vec<Item> =
        (0..98_i32).rev().map(|n| item(&format!("sku {n}"), price(n.into()), n + 1)).collect();
    items.insert(17, item(&four_bytes, price(0), pieces));
    let so_far = draft(user(1), &items).total().minor();
    items.push(item("'; DROP TABLE orders; --", price(Money::MINOR_MAX - so_far), 1));
    assert_eq!(items.len(), ITEMS_MAX);
    items
}

fn one_at(currency: &str, minor: i64) -> Vec<Item> {
    vec![item("sku1", Money::from_minor(Currency::from_stored(currency).unwrap(), minor).unwrap(), 1)]
}

pub(super) async fn of_any_status(fixture: Fixture) {
    for status in SETTLED.into_iter().chain([Status::Pending]) {
        // By settling, and by an insert as in a migration from another store.
        let settled = fixture.inserted(status).await;
        fixture.assert_stored(&settled).await;
        let written = Order {
            status,
            decline: (status == Status::Declined).then(decline),
            ..fixture.new_order(fixture.new_user())
        };
        fixture.insert(&written).await;
        fixture.assert_stored(&written).await;
    }
}

pub(super) async fn never_inserted(fixture: Fixture) {
    let (inserted, absent) = (fixture.inserted(Status::Pending).await, fixture.new_order(fixture.new_user()));
    assert_eq!(fixture.orders().find(absent.id).await, Ok(None));
    assert_eq!(fixture.orders().find_by_key(absent.user, &absent.key).await, Ok(None));
    assert_eq!(fixture.orders().find_by_key(inserted.user, &absent.key).await, Ok(None));
    assert_eq!(fixture.orders().find_by_key(absent.user, &inserted.key).await, Ok(None));
    let nothing = Page { orders: Vec::new(), more: false };
    assert_eq!(fixture.orders().list(absent.user, None, 50, 1000).await, Ok(nothing.clone()));
    assert_eq!(fixture.orders().list(inserted.user, Some(inserted.id), 50, 1000).await, Ok(nothing));
}

pub(super) async fn byte_for_byte(fixture: Fixture) {
    let user = fixture.new_user();
    let codes = [" sku", "sku ", "SKU", "sku", "e\u{301}", "é", "ﬀ", "ß", "\u{feff}sku", "a\u{200b}b"];
    let items = codes.map(|code| item(code, dollars(7), 1));
    let written = order_of(fixture.ids.order_id(), user, fixture.ids.key(), &items);
    fixture.insert(&written).await;
    fixture.assert_stored(&written).await;
}

pub(super) async fn status(fixture: Fixture) {
    let order = fixture.inserted(Status::Pending).await;
    assert_eq!(fixture.orders().status(order.id).await, Ok(Some(Status::Pending)));
    for status in SETTLED {
        let order = fixture.inserted(status).await;
        assert_eq!(fixture.orders().status(order.id).await, Ok(Some(status)));
    }
    let reopened = fixture.inserted(Status::NotCharged).await;
    assert_eq!(fixture.orders().reopen(reopened.fencing_token()).await, Ok(true));
    assert_eq!(fixture.orders().status(reopened.id).await, Ok(Some(Status::Pending)));
    let absent = fixture.new_order(fixture.new_user());
    assert_eq!(fixture.orders().status(absent.id).await, Ok(None));
}
