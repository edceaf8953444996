-- What the program sent before migration 2 was there, each statement once.
INSERT INTO order_items (order_id, position, product_code, unit_price_minor, quantity) VALUES (?, ?, ?, ?, ?);
INSERT INTO orders (order_id, user_id, idempotency_key, fingerprint, status, currency, total_minor, item_count, decline_reason, decline_description, fence, attempts, created_at_ms, pending_since_ms, next_check_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
SELECT i.order_id, i.product_code, i.unit_price_minor, i.quantity FROM orders o JOIN order_items i ON i.order_id = o.order_id WHERE o.user_id = ? AND o.order_id <= ? AND o.order_id >= ? ORDER BY o.order_id DESC, i.position;
SELECT o.order_id, o.user_id, o.idempotency_key, o.fingerprint, o.status, o.currency, o.total_minor, o.item_count, o.decline_reason, o.decline_description, o.fence, o.attempts, o.created_at_ms, o.pending_since_ms FROM orders o WHERE o.order_id = ?;
SELECT o.order_id, o.user_id, o.idempotency_key, o.fingerprint, o.status, o.currency, o.total_minor, o.item_count, o.decline_reason, o.decline_description, o.fence, o.attempts, o.created_at_ms, o.pending_since_ms FROM orders o WHERE o.user_id = ? AND o.idempotency_key = ?;
SELECT o.order_id, o.user_id, o.idempotency_key, o.fingerprint, o.status, o.currency, o.total_minor, o.item_count, o.decline_reason, o.decline_description, o.fence, o.attempts, o.created_at_ms, o.pending_since_ms FROM orders o WHERE o.user_id = ? AND o.order_id < ? ORDER BY o.order_id DESC LIMIT ?;
SELECT order_id, product_code, unit_price_minor, quantity FROM order_items WHERE order_id = ? ORDER BY position;
UPDATE orders SET status = ?, decline_reason = ?, decline_description = ? WHERE order_id = ? AND status = 'PENDING' AND fence = ?;
UPDATE orders SET status = ?, decline_reason = ?, decline_description = ? WHERE order_id = ? AND status = 'PENDING';
UPDATE orders SET status = ?, fence = ?, attempts = ?, pending_since_ms = ?, next_check_at_ms = ? WHERE order_id = ? AND status = ? AND status IN ('NOT_CHARGED', 'PENDING') AND fence = ?;
