//! The price list in a table of Order's database.

use std::collections::BTreeMap;

use async_trait::async_trait;
use database::{Cause, Connection, Database, Summary, Transaction, WriteError, is_data_error};
use money::{Currency, Money};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{rows::unreadable, statements, store_error};
use crate::{
    domain::{ITEMS_MAX, PriceMap, ProductCode},
    ports::{PriceList, StoreError},
};

/// Maximum number of rows of a statement: every database accepts its parameters.
const ROWS_PER_STATEMENT_MAX: usize = 500;

/// Prices of one piece, by product and currency code.
pub type Prices = BTreeMap<(ProductCode, &'static str), Money>;

/// The price list in a database.
#[derive(Debug, Clone)]
pub struct DbPrices(Database);

impl DbPrices {
    /// The list in `database`, whose schema is that of [`MIGRATIONS`](super::MIGRATIONS).
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// Loads `prices`, which replace those of the same product and currency; with `replace`, they replace the
    /// whole list. Atomic.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn load(&self, prices: Prices, replace: bool) -> Result<(), StoreError> {
        let loaded = self.0.write(Load { prices, replace }).await;
        loaded.map_err(|error: WriteError| store_error(&error))
    }

    /// The prices of `product`, or of all products, by code.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn all(&self, product: Option<ProductCode>) -> Result<Prices, StoreError> {
        self.read(ReadList(product)).await
    }

    async fn read<T: Transaction>(&self, transaction: T) -> Result<T::Output, StoreError> {
        self.0.read(transaction).await.map_err(|error| {
            tracing::error!(error = %Cause(&error), "price list could not be read");
            if is_data_error(&error) { StoreError::Rejected } else { StoreError::NotStarted }
        })
    }
}

#[async_trait]
impl PriceList for DbPrices {
    async fn prices(&self, products: Vec<ProductCode>, currency: Currency) -> Result<PriceMap, StoreError> {
        if products.is_empty() {
            return Ok(PriceMap::new());
        }
        debug_assert!(products.len() <= ITEMS_MAX, "more products than an order has items");
        self.read(ReadPrices { products, currency }).await
    }
}

struct ReadPrices {
    products: Vec<ProductCode>,
    currency: Currency,
}

#[async_trait]
impl Transaction for ReadPrices {
    const SUMMARY: Summary = Summary::new("SELECT", "prices");
    type Output = PriceMap;

    async fn run(&self, connection: &mut Connection) -> Result<PriceMap, sqlx::Error> {
        let query = connection.query(AssertSqlSafe(statements::prices_of_products(self.products.len())));
        let query = query.bind(self.currency.code());
        let query = self.products.iter().fold(query, |query, code| query.bind(code.as_str().to_owned()));
        let rows = query.fetch_all(connection.executor()).await?;
        rows.iter().map(|row| Ok((product_code(row)?, price(row, 1, self.currency)?))).collect()
    }
}

struct ReadList(Option<ProductCode>);

#[async_trait]
impl Transaction for ReadList {
    const SUMMARY: Summary = Summary::new("SELECT", "prices");
    type Output = Prices;

    async fn run(&self, connection: &mut Connection) -> Result<Prices, sqlx::Error> {
        let query = match &self.0 {
            Some(code) => connection.query(statements::PRICES_OF_PRODUCT).bind(code.as_str().to_owned()),
            None => connection.query(statements::PRICES),
        };
        let rows = query.fetch_all(connection.executor()).await?;
        let (mut prices, mut unknown) = (Prices::new(), 0_usize);
        for row in &rows {
            let code: String = row.try_get(1)?;
            match Currency::from_stored(&code) {
                Ok(currency) => {
                    prices.insert((product_code(row)?, currency.code()), price(row, 2, currency)?);
                }
                Err(_) => unknown += 1,
            }
        }
        if unknown > 0 {
            tracing::warn!(unknown, "prices in a currency that this program does not know are left out");
        }
        Ok(prices)
    }
}

struct Load {
    prices: Prices,
    replace: bool,
}

#[async_trait]
impl Transaction for Load {
    const SUMMARY: Summary = Summary::new("INSERT", "prices");
    type Output = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        if self.replace {
            connection.query(statements::DELETE_PRICES).execute(connection.executor()).await?;
        } else {
            self.delete(connection).await?;
        }
        let rows: Vec<_> = self.prices.iter().collect();
        for rows in rows.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut insert = connection.query(AssertSqlSafe(statements::insert_prices(rows.len())));
            for ((code, currency), price) in rows {
                insert = insert.bind(code.as_str().to_owned()).bind(*currency).bind(price.minor());
            }
            insert.execute(connection.executor()).await?;
        }
        Ok(())
    }
}

impl Load {
    /// Deletes the rows to be replaced: the databases have no common syntax for an upsert.
    async fn delete(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        let mut by_currency: BTreeMap<&'static str, Vec<&ProductCode>> = BTreeMap::new();
        for (code, currency) in self.prices.keys() {
            by_currency.entry(currency).or_default().push(code);
        }
        for (currency, codes) in by_currency {
            for codes in codes.chunks(ROWS_PER_STATEMENT_MAX) {
                let delete = connection.query(AssertSqlSafe(statements::delete_prices(codes.len())));
                let delete = delete.bind(currency);
                let delete = codes.iter().fold(delete, |delete, code| delete.bind(code.as_str().to_owned()));
                delete.execute(connection.executor()).await?;
            }
        }
        Ok(())
    }
}

/// The first column: a text, or on MySQL a VARBINARY, since MySQL ignores trailing spaces when it compares
/// texts.
fn product_code(row: &AnyRow) -> Result<ProductCode, sqlx::Error> {
    let text = row.try_get::<String, _>(0).or_else(|_| {
        let bytes: Vec<u8> = row.try_get(0)?;
        String::from_utf8(bytes).map_err(|_| unreadable("prices.product_code"))
    })?;
    ProductCode::new(text).ok_or_else(|| unreadable("prices.product_code"))
}

fn price(row: &AnyRow, column: usize, currency: Currency) -> Result<Money, sqlx::Error> {
    Money::from_minor(currency, row.try_get(column)?).map_err(|_| unreadable("prices.unit_price_minor"))
}
