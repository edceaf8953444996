-- The price list: what one piece of a product costs, in whole minor units of the currency.
CREATE TABLE prices (
    product_code     TEXT COLLATE BINARY NOT NULL,
    currency         TEXT NOT NULL,
    unit_price_minor BIGINT NOT NULL,
    PRIMARY KEY (product_code, currency)
);

INSERT INTO schema_versions (version, oldest_program) VALUES (3, 1);
