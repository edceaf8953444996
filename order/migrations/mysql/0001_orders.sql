-- Times are milliseconds since the Unix epoch, amounts whole minor units. What a migration creates is there for
-- good at once, so that one which was cut short is run again from its start.
CREATE TABLE IF NOT EXISTS orders (
    order_id            BIGINT PRIMARY KEY NOT NULL,
    user_id             BIGINT NOT NULL,
    idempotency_key     VARCHAR(255) NOT NULL,
    fingerprint         VARCHAR(255) NOT NULL,
    status              VARCHAR(255) NOT NULL,
    currency            VARCHAR(255) NOT NULL,
    total_minor         BIGINT NOT NULL,
    item_count          BIGINT NOT NULL,
    decline_reason      VARCHAR(255),
    decline_description MEDIUMTEXT,
    fence               BIGINT NOT NULL,
    attempts            BIGINT NOT NULL,
    created_at_ms       BIGINT NOT NULL,
    pending_since_ms    BIGINT NOT NULL,
    -- When a reconciler should look at a PENDING order next; what it holds for others means nothing.
    next_check_at_ms    BIGINT NOT NULL,
    CONSTRAINT orders_by_key UNIQUE (user_id, idempotency_key),
    -- A user's orders, newest first.
    INDEX orders_by_user (user_id, order_id),
    -- What is due for a reconciler.
    INDEX orders_by_due (status, next_check_at_ms)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS order_items (
    order_id         BIGINT NOT NULL,
    position         BIGINT NOT NULL,
    product_code     VARCHAR(100) NOT NULL,
    unit_price_minor BIGINT NOT NULL,
    quantity         BIGINT NOT NULL,
    PRIMARY KEY (order_id, position),
    CONSTRAINT order_items_of_order FOREIGN KEY (order_id) REFERENCES orders (order_id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
