-- What the program sent before migration 2 was there, each statement once.
INSERT INTO accounts (user_id, currency, credit_limit_minor, charged_minor, created_at_ms) VALUES (?, ?, ?, 0, ?);
INSERT INTO payments (order_id, payment_id, status, bill_id, user_id, currency, amount_minor, decline_reason, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);
SELECT order_id, payment_id, status, bill_id, user_id, currency, amount_minor, decline_reason, created_at_ms FROM payments WHERE order_id = ?;
SELECT user_id FROM accounts WHERE user_id = ? AND currency = ?;
UPDATE accounts SET charged_minor = charged_minor + ? WHERE user_id = ? AND currency = ? AND charged_minor + ? <= credit_limit_minor;
