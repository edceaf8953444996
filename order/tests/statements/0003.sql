-- What the program sends, each statement once; written by its tests.
DELETE FROM prices WHERE currency = ? AND product_code IN (?);
INSERT INTO order_items (order_id, position, product_code, unit_price_minor, quantity) VALUES (?, ?, ?, ?, ?);
INSERT INTO orders (order_id, user_id, idempotency_key, fingerprint, status, currency, total_minor, item_count, decline_reason, decline_description, fence, attempts, created_at_ms, pending_since_ms, next_check_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NOW_MS(), NOW_MS() + ?);
INSERT INTO prices (product_code, currency, unit_price_minor) VALUES (?, ?, ?);
SELECT NOW_MS() - pending_since_ms, NOW_MS() - next_check_at_ms FROM orders WHERE status = 'PENDING' ORDER BY next_check_at_ms LIMIT ?;
SELECT i.order_id, i.product_code, i.unit_price_minor, i.quantity FROM orders o JOIN order_items i ON i.order_id = o.order_id WHERE o.user_id = ? AND o.order_id <= ? AND o.order_id >= ? ORDER BY o.order_id DESC, i.position;
SELECT o.order_id, o.user_id, o.idempotency_key, o.fingerprint, o.status, o.currency, o.total_minor, o.item_count, o.decline_reason, o.decline_description, o.fence, o.attempts, o.created_at_ms FROM orders o WHERE o.order_id = ?;
SELECT o.order_id, o.user_id, o.idempotency_key, o.fingerprint, o.status, o.currency, o.total_minor, o.item_count, o.decline_reason, o.decline_description, o.fence, o.attempts, o.created_at_ms FROM orders o WHERE o.user_id = ? AND o.idempotency_key = ?;
SELECT o.order_id, o.user_id, o.idempotency_key, o.fingerprint, o.status, o.currency, o.total_minor, o.item_count, o.decline_reason, o.decline_description, o.fence, o.attempts, o.created_at_ms FROM orders o WHERE o.user_id = ? AND o.order_id < ? ORDER BY o.order_id DESC LIMIT ?;
SELECT order_id, product_code, unit_price_minor, quantity FROM order_items WHERE order_id = ? ORDER BY position;
SELECT order_id, user_id, currency, total_minor, fence, NOW_MS() - pending_since_ms FROM orders WHERE status = 'PENDING' AND next_check_at_ms <= NOW_MS() ORDER BY next_check_at_ms LIMIT ?;
SELECT product_code, unit_price_minor FROM prices WHERE currency = ? AND product_code IN (?);
UPDATE orders SET fence = fence + 1, attempts = attempts + 1, next_check_at_ms = NOW_MS() + ? WHERE order_id = ? AND status = 'PENDING' AND fence = ?;
UPDATE orders SET status = 'PENDING', fence = fence + 1, attempts = attempts + 1, pending_since_ms = NOW_MS(), next_check_at_ms = NOW_MS() + ? WHERE order_id = ? AND status = 'NOT_CHARGED' AND fence = ?;
UPDATE orders SET status = ?, decline_reason = ?, decline_description = ? WHERE order_id = ? AND status = 'PENDING';
UPDATE orders SET status = ?, decline_reason = ?, decline_description = ? WHERE order_id = ? AND status = 'PENDING' AND fence = ?;
