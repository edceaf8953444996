-- Orders that Payment knows with another amount, currency or user, and how an operator resolved each.
CREATE TABLE IF NOT EXISTS mismatches (
    order_id       BIGINT PRIMARY KEY NOT NULL,
    found_at_ms    BIGINT NOT NULL,
    -- NULL until an operator resolves the mismatch; the columns below are set together.
    resolved_at_ms BIGINT,
    operator       VARCHAR(255),
    reason         VARCHAR(1000),
    status_before  VARCHAR(255),
    status_after   VARCHAR(255),
    -- What Payment had recorded for the order then.
    payment        VARCHAR(1000)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

DELETE FROM schema_versions WHERE version = 4;
INSERT INTO schema_versions (version, oldest_program) VALUES (4, 1);
