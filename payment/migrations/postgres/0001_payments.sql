-- Times are milliseconds since the Unix epoch, amounts whole minor units.

-- What a customer may be charged in one currency, and has been.
CREATE TABLE accounts (
    user_id            BIGINT NOT NULL,
    currency           TEXT NOT NULL,
    credit_limit_minor BIGINT NOT NULL,
    charged_minor      BIGINT NOT NULL,
    created_at_ms      BIGINT NOT NULL,
    PRIMARY KEY (user_id, currency)
);

-- What was recorded for an order: at most one row each, never changed.
CREATE TABLE payments (
    order_id       BIGINT PRIMARY KEY NOT NULL,
    payment_id     BIGINT NOT NULL UNIQUE,
    -- CHARGED, DECLINED or VOIDED
    status         TEXT NOT NULL,
    -- The bill that a charge is on; NULL unless CHARGED.
    bill_id        BIGINT UNIQUE,
    -- Whom, and what: NULL where VOIDED, which has neither.
    user_id        BIGINT,
    currency       TEXT,
    amount_minor   BIGINT,
    -- NULL unless DECLINED.
    decline_reason TEXT,
    created_at_ms  BIGINT NOT NULL
);
