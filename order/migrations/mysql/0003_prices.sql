-- The price list: what one piece of a product costs, in whole minor units of the currency. A code is kept as its
-- bytes in UTF-8: texts are equal here whatever number of spaces they end with.
CREATE TABLE IF NOT EXISTS prices (
    product_code     VARBINARY(400) NOT NULL,
    currency         VARCHAR(255) NOT NULL,
    unit_price_minor BIGINT NOT NULL,
    PRIMARY KEY (product_code, currency)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

DELETE FROM schema_versions WHERE version = 3;
INSERT INTO schema_versions (version, oldest_program) VALUES (3, 1);
