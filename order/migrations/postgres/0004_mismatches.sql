-- Orders that Payment knows with another amount, currency or user, and how an operator resolved each.
CREATE TABLE mismatches (
    order_id       BIGINT PRIMARY KEY NOT NULL,
    found_at_ms    BIGINT NOT NULL,
    -- NULL until an operator resolves the mismatch; the columns below are set together.
    resolved_at_ms BIGINT,
    operator       TEXT,
    reason         TEXT,
    status_before  TEXT,
    status_after   TEXT,
    -- What Payment had recorded for the order then.
    payment        TEXT
);

INSERT INTO schema_versions (version, oldest_program) VALUES (4, 1);
