-- Times are milliseconds since the Unix epoch, amounts whole minor units.
-- Does no harm when it is run again: a change of the schema commits by itself here.

-- What a customer may be charged in one currency, and has been.
CREATE TABLE IF NOT EXISTS accounts (
    user_id            BIGINT NOT NULL,
    currency           VARCHAR(3) NOT NULL,
    credit_limit_minor BIGINT NOT NULL,
    charged_minor      BIGINT NOT NULL,
    created_at_ms      BIGINT NOT NULL,
    PRIMARY KEY (user_id, currency)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was recorded for an order: at most one row each, never changed.
CREATE TABLE IF NOT EXISTS payments (
    order_id       BIGINT PRIMARY KEY NOT NULL,
    payment_id     BIGINT NOT NULL UNIQUE,
    -- CHARGED, DECLINED or VOIDED
    status         VARCHAR(16) NOT NULL,
    -- The bill that a charge is on; NULL unless CHARGED.
    bill_id        BIGINT UNIQUE,
    -- Whom, and what: NULL where VOIDED, which has neither.
    user_id        BIGINT,
    currency       VARCHAR(3),
    amount_minor   BIGINT,
    -- NULL unless DECLINED.
    decline_reason VARCHAR(64),
    created_at_ms  BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
