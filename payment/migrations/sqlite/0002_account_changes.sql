-- Which is the oldest program, named by the newest migration that it knows, that may run on the schema.
CREATE TABLE schema_versions (
    version        BIGINT PRIMARY KEY NOT NULL,
    oldest_program BIGINT NOT NULL
);

-- Every change of a credit limit by an operator: never changed, never removed.
CREATE TABLE account_changes (
    change_id          BIGINT PRIMARY KEY NOT NULL,
    user_id            BIGINT NOT NULL,
    currency           TEXT NOT NULL,
    changed_at_ms      BIGINT NOT NULL,
    -- Who, and why where it was said.
    operator           TEXT NOT NULL,
    reason             TEXT,
    -- NULL where the change opened the account.
    limit_before_minor BIGINT,
    limit_after_minor  BIGINT NOT NULL
);

CREATE INDEX account_changes_by_account ON account_changes (user_id, currency, change_id);

INSERT INTO schema_versions (version, oldest_program) VALUES (1, 1), (2, 1);
