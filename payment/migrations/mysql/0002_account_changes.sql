-- Does no harm when it is run again: a change of the schema commits by itself here.

-- Which is the oldest program, named by the newest migration that it knows, that may run on the schema.
CREATE TABLE IF NOT EXISTS schema_versions (
    version        BIGINT PRIMARY KEY NOT NULL,
    oldest_program BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every change of a credit limit by an operator: never changed, never removed.
CREATE TABLE IF NOT EXISTS account_changes (
    change_id          BIGINT PRIMARY KEY NOT NULL,
    user_id            BIGINT NOT NULL,
    currency           VARCHAR(3) NOT NULL,
    changed_at_ms      BIGINT NOT NULL,
    -- Who, and why where it was said.
    operator           VARCHAR(100) NOT NULL,
    reason             VARCHAR(500),
    -- NULL where the change opened the account.
    limit_before_minor BIGINT,
    limit_after_minor  BIGINT NOT NULL,
    INDEX account_changes_by_account (user_id, currency, change_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

DELETE FROM schema_versions WHERE version IN (1, 2);
INSERT INTO schema_versions (version, oldest_program) VALUES (1, 1), (2, 1);
