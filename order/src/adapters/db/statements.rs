//! The SQL statements, in the dialect that SQLite, MySQL and PostgreSQL share. `NOW_MS()` is replaced by each
//! driver.

/// Orders without their items, for [`Header::read`](super::rows::Header::read).
macro_rules! headers {
    ($which:literal) => {
        concat!(
            "SELECT o.order_id, o.user_id, o.idempotency_key, o.fingerprint, o.status, o.currency, o.total_minor,
                 o.item_count, o.decline_reason, o.decline_description, o.fence, o.attempts, o.created_at_ms
             FROM orders o ",
            $which
        )
    };
}

pub(super) const FIND: &str = headers!("WHERE o.order_id = ?");

pub(super) const FIND_BY_KEY: &str = headers!("WHERE o.user_id = ? AND o.idempotency_key = ?");

pub(super) const LIST: &str =
    headers!("WHERE o.user_id = ? AND o.order_id < ? ORDER BY o.order_id DESC LIMIT ?");

pub(super) const STATUS: &str = "SELECT status FROM orders WHERE order_id = ?";

pub(super) const ITEMS: &str = "SELECT order_id, product_code, unit_price_minor, quantity FROM order_items
     WHERE order_id = ? ORDER BY position";

pub(super) const ITEMS_OF_LIST: &str = "SELECT i.order_id, i.product_code, i.unit_price_minor, i.quantity
     FROM orders o JOIN order_items i ON i.order_id = o.order_id
     WHERE o.user_id = ? AND o.order_id <= ? AND o.order_id >= ? ORDER BY o.order_id DESC, i.position";

pub(super) const INSERT: &str =
    "INSERT INTO orders (order_id, user_id, idempotency_key, fingerprint, status, currency, total_minor,
         item_count, decline_reason, decline_description, fence, attempts, created_at_ms, pending_since_ms,
         next_check_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NOW_MS(), NOW_MS() + ?)";

/// Inserts `count` items of an order.
pub(super) fn insert_items(count: usize) -> String {
    let values = vec!["(?, ?, ?, ?, ?)"; count].join(", ");
    format!(
        "INSERT INTO order_items (order_id, position, product_code, unit_price_minor, quantity) VALUES {values}"
    )
}

pub(super) const SETTLE: &str = "UPDATE orders SET status = ?, decline_reason = ?, decline_description = ?
     WHERE order_id = ? AND status = 'PENDING'";

pub(super) const SETTLE_FENCED: &str =
    "UPDATE orders SET status = ?, decline_reason = ?, decline_description = ?
     WHERE order_id = ? AND status = 'PENDING' AND fence = ?";

pub(super) const REOPEN: &str =
    "UPDATE orders SET status = 'PENDING', fence = fence + 1, attempts = attempts + 1,
         pending_since_ms = NOW_MS(), next_check_at_ms = NOW_MS() + ?
     WHERE order_id = ? AND status = 'NOT_CHARGED' AND fence = ?";

/// For [`rows::summary`](super::rows::summary).
pub(super) const AUDIT_PAGE: &str =
    "SELECT o.order_id, o.user_id, o.currency, o.total_minor, o.fence, o.status, m.resolved_at_ms
     FROM orders o LEFT JOIN mismatches m ON m.order_id = o.order_id
     WHERE o.order_id > ? ORDER BY o.order_id LIMIT ?";

pub(super) const DUE: &str =
    "SELECT order_id, user_id, currency, total_minor, fence, NOW_MS() - pending_since_ms FROM orders
     WHERE status = 'PENDING' AND next_check_at_ms <= NOW_MS() ORDER BY next_check_at_ms LIMIT ?";

/// Each claim raises the fence, so that comparing the time too is not needed.
pub(super) const CLAIM: &str =
    "UPDATE orders SET fence = fence + 1, attempts = attempts + 1, next_check_at_ms = NOW_MS() + ?
     WHERE order_id = ? AND status = 'PENDING' AND fence = ?";

/// Renews the leases of `orders` orders; shortens none.
pub(super) fn renew(orders: usize) -> String {
    format!(
        "UPDATE orders SET next_check_at_ms = NOW_MS() + ?
     WHERE order_id IN ({}) AND status = 'PENDING' AND next_check_at_ms < NOW_MS() + ?",
        parameters(orders)
    )
}

pub(super) const BACKLOG: &str =
    "SELECT NOW_MS() - o.pending_since_ms, NOW_MS() - o.next_check_at_ms, m.order_id
     FROM orders o LEFT JOIN mismatches m ON m.order_id = o.order_id
     WHERE o.status = 'PENDING' ORDER BY o.next_check_at_ms LIMIT ?";

pub(super) const IS_MISMATCH: &str = "SELECT order_id FROM mismatches WHERE order_id = ?";

pub(super) const RECORD_MISMATCH: &str =
    "INSERT INTO mismatches (order_id, found_at_ms) VALUES (?, NOW_MS())";

/// Mismatches, for [`mismatches::read`](super::mismatches).
macro_rules! mismatches {
    ($which:literal) => {
        concat!(
            "SELECT order_id, found_at_ms, resolved_at_ms, operator, reason, status_before, status_after, payment
             FROM mismatches ",
            $which
        )
    };
}

pub(super) const FIND_MISMATCH: &str = mismatches!("WHERE order_id = ?");

pub(super) const OPEN_MISMATCHES: &str = mismatches!(
    "WHERE resolved_at_ms IS NULL
         AND order_id IN (SELECT o.order_id FROM orders o WHERE o.status = 'PENDING') ORDER BY order_id"
);

pub(super) const ALL_MISMATCHES: &str = mismatches!("ORDER BY order_id");

pub(super) const RESOLVE_MISMATCH: &str =
    "UPDATE mismatches SET resolved_at_ms = NOW_MS(), operator = ?, reason = ?, status_before = 'PENDING',
         status_after = ?, payment = ?
     WHERE order_id = ?";

/// Reads the prices of `products` products in one currency.
pub(super) fn prices_of_products(products: usize) -> String {
    format!(
        "SELECT product_code, unit_price_minor FROM prices WHERE currency = ? AND product_code IN ({})",
        parameters(products)
    )
}

pub(super) const PRICES: &str = "SELECT product_code, currency, unit_price_minor FROM prices";

pub(super) const PRICES_OF_PRODUCT: &str =
    "SELECT product_code, currency, unit_price_minor FROM prices WHERE product_code = ?";

pub(super) const DELETE_PRICES: &str = "DELETE FROM prices";

/// Deletes the prices of `products` products in one currency.
pub(super) fn delete_prices(products: usize) -> String {
    format!("DELETE FROM prices WHERE currency = ? AND product_code IN ({})", parameters(products))
}

/// Inserts `count` prices.
pub(super) fn insert_prices(count: usize) -> String {
    let values = vec!["(?, ?, ?)"; count].join(", ");
    format!("INSERT INTO prices (product_code, currency, unit_price_minor) VALUES {values}")
}

fn parameters(count: usize) -> String {
    vec!["?"; count].join(", ")
}
