-- What the program sends, each statement once; written by its tests.
INSERT INTO account_changes (change_id, user_id, currency, changed_at_ms, operator, reason, limit_before_minor, limit_after_minor) VALUES (?, ?, ?, ?, ?, ?, ?, ?);
INSERT INTO accounts (user_id, currency, credit_limit_minor, charged_minor, created_at_ms) VALUES (?, ?, ?, 0, ?);
INSERT INTO payments (order_id, payment_id, status, bill_id, user_id, currency, amount_minor, decline_reason, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);
SELECT change_id, user_id, currency, changed_at_ms, operator, reason, limit_before_minor, limit_after_minor FROM account_changes WHERE user_id = ? AND currency = ? ORDER BY change_id DESC LIMIT ?;
SELECT currency, credit_limit_minor, charged_minor FROM accounts WHERE user_id = ? ORDER BY currency;
SELECT order_id, payment_id, status, bill_id, user_id, currency, amount_minor, decline_reason, created_at_ms FROM payments WHERE order_id = ?;
SELECT user_id FROM accounts WHERE user_id = ? AND currency = ?;
UPDATE accounts SET charged_minor = charged_minor + ? WHERE user_id = ? AND currency = ? AND charged_minor + ? <= credit_limit_minor;
UPDATE accounts SET credit_limit_minor = ? WHERE user_id = ? AND currency = ?;
UPDATE accounts SET credit_limit_minor = credit_limit_minor WHERE user_id = ? AND currency = ?;
