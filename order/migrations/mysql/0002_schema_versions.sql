-- Which programs may run on each version of the schema: those that know migration `oldest_program`, and newer ones.
CREATE TABLE IF NOT EXISTS schema_versions (
    version        BIGINT PRIMARY KEY NOT NULL,
    oldest_program BIGINT NOT NULL
) ENGINE = InnoDB;

DELETE FROM schema_versions WHERE version IN (1, 2);
INSERT INTO schema_versions (version, oldest_program) VALUES (1, 1), (2, 1);
