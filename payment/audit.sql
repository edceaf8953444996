-- The accounts whose charged amount is not the sum of their CHARGED payments: none, ever.
--     sqlite3 -readonly data/payment.db < payment/audit.sql
--     mariadb payment < payment/audit.sql
--     psql payment < payment/audit.sql
SELECT a.user_id, a.currency
FROM accounts a
    LEFT JOIN (
        SELECT user_id, currency, SUM(amount_minor) AS paid_minor
        FROM payments
        WHERE status = 'CHARGED'
        GROUP BY user_id, currency
    ) p ON p.user_id = a.user_id AND p.currency = a.currency
WHERE a.charged_minor <> COALESCE(p.paid_minor, 0)
UNION
SELECT p.user_id, p.currency
FROM payments p
WHERE p.status = 'CHARGED'
    AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = p.user_id AND a.currency = p.currency);
