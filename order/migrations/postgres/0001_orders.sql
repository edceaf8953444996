-- Times are milliseconds since the Unix epoch, amounts whole minor units.
CREATE TABLE orders (
    order_id            BIGINT PRIMARY KEY NOT NULL,
    user_id             BIGINT NOT NULL,
    idempotency_key     TEXT COLLATE "C" NOT NULL,
    fingerprint         TEXT NOT NULL,
    status              TEXT NOT NULL,
    currency            TEXT NOT NULL,
    total_minor         BIGINT NOT NULL,
    item_count          BIGINT NOT NULL,
    decline_reason      TEXT,
    decline_description TEXT,
    fence               BIGINT NOT NULL,
    attempts            BIGINT NOT NULL,
    created_at_ms       BIGINT NOT NULL,
    pending_since_ms    BIGINT NOT NULL,
    -- When a reconciler should look at a PENDING order next; what it holds for others means nothing.
    next_check_at_ms    BIGINT NOT NULL,
    CONSTRAINT orders_by_key UNIQUE (user_id, idempotency_key)
);

-- A user's orders, newest first.
CREATE INDEX orders_by_user ON orders (user_id, order_id);

-- What is due for a reconciler.
CREATE INDEX orders_by_due ON orders (status, next_check_at_ms);

CREATE TABLE order_items (
    order_id         BIGINT NOT NULL REFERENCES orders (order_id),
    position         BIGINT NOT NULL,
    product_code     TEXT COLLATE "C" NOT NULL,
    unit_price_minor BIGINT NOT NULL,
    quantity         BIGINT NOT NULL,
    PRIMARY KEY (order_id, position)
);
