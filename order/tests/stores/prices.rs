//! The contract of the port `PriceList` and of loading a list, one function for each requirement.

use std::{future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use money::{Currency, Money};
use order::{
    adapters::db::{DbPrices, Prices},
    domain::{ITEMS_MAX, PRODUCT_CODE_CHARS_MAX, ProductCode},
    ports::{PriceList, StoreError},
};
use test_support::{
    Failed, Trial, check,
    order::{FakePrices, code, dollars},
    trial,
};

use crate::database_fixture::{Kind, TestDatabase};

/// A price list that can be loaded.
#[async_trait]
pub(crate) trait LoadablePriceList: PriceList {
    async fn load_prices(&self, prices: Prices, replace: bool) -> Result<(), StoreError>;
}

#[async_trait]
impl LoadablePriceList for FakePrices {
    async fn load_prices(&self, prices: Prices, replace: bool) -> Result<(), StoreError> {
        self.load(prices, replace);
        Ok(())
    }
}

#[async_trait]
impl LoadablePriceList for DbPrices {
    async fn load_prices(&self, prices: Prices, replace: bool) -> Result<(), StoreError> {
        self.load(prices, replace).await
    }
}

/// Two instances over one list: one loads, the other reads.
struct TwoPrices {
    loading: DbPrices,
    reading: DbPrices,
}

#[async_trait]
impl PriceList for TwoPrices {
    async fn prices(
        &self,
        products: Vec<ProductCode>,
        currency: Currency,
    ) -> Result<order::domain::PriceMap, StoreError> {
        self.reading.prices(products, currency).await
    }
}

#[async_trait]
impl LoadablePriceList for TwoPrices {
    async fn load_prices(&self, prices: Prices, replace: bool) -> Result<(), StoreError> {
        self.loading.load(prices, replace).await
    }
}

type List = Arc<dyn LoadablePriceList>;
type Requirement = fn(List) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// In this order: the last one replaces the list.
const CONTRACT: &[(&str, Requirement)] = &[
    ("a product without a price is omitted", |list| Box::pin(without_a_price(list))),
    ("a product has a price in each currency", |list| Box::pin(in_each_currency(list))),
    ("codes are compared byte for byte", |list| Box::pin(byte_for_byte(list))),
    ("prices are exact at their extremes", |list| Box::pin(exact_prices(list))),
    ("one read returns the prices of a whole order", |list| Box::pin(a_full_order(list))),
    ("loading replaces the given prices and no others", |list| Box::pin(loaded_again(list))),
    ("thousands of prices are loaded", |list| Box::pin(many_thousand(list))),
    ("replacing removes every other price", |list| Box::pin(replaced(list))),
];

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let of_each = Kind::ALL.into_iter().flat_map(|kind| {
        let name = kind.name();
        [
            trial(&format!("{name} meets the contract of price lists"), kind.needs(), move || {
                one_instance(kind)
            }),
            trial(
                &format!("two instances over {name} meet the contract of price lists"),
                kind.needs(),
                move || two_instances(kind),
            ),
            trial(&format!("{name} loads all prices or none"), kind.needs(), move || all_or_none(kind)),
        ]
    });
    let fake = trial("the fake meets the contract of price lists", &[], || {
        meets_contract(Arc::new(FakePrices::default()))
    });
    of_each.chain([fake])
}

async fn one_instance(kind: Kind) -> Result<(), Failed> {
    let database = TestDatabase::new(kind).await?;
    meets_contract(Arc::new(DbPrices::new(database.open().await?))).await
}

async fn two_instances(kind: Kind) -> Result<(), Failed> {
    let database = TestDatabase::new(kind).await?;
    let (loading, reading) = (DbPrices::new(database.open().await?), DbPrices::new(database.open().await?));
    meets_contract(Arc::new(TwoPrices { loading, reading })).await
}

/// A load of several statements changes nothing if the database rejects the last one.
async fn all_or_none(kind: Kind) -> Result<(), Failed> {
    let database = TestDatabase::new(kind).await?;
    let list: List = Arc::new(DbPrices::new(database.open().await?));
    load(&list, &[("a", "USD", 1), ("b", "USD", 2)]).await;
    let refuse_666 = match kind {
        Kind::Sqlite => {
            "CREATE TRIGGER refuse BEFORE INSERT ON prices WHEN NEW.unit_price_minor = 666
             BEGIN SELECT RAISE(ABORT, 'injected'); END"
        }
        Kind::MariaDb | Kind::Postgres => "ALTER TABLE prices ADD CHECK (unit_price_minor <> 666)",
    };
    database.execute(refuse_666).await?;
    for replace in [false, true] {
        let others =
            (0..1_200).map(|n| (format!("c-{n:04}"), 7)).chain([("a".to_owned(), 8), ("z".to_owned(), 666)]);
        let price = |(text, minor): (String, i64)| ((code(&text), "USD"), dollars(minor));
        let loaded = list.load_prices(others.map(price).collect(), replace).await;
        // SQLite has no constraint to add to a table: a trigger refuses the row there.
        let refused = if kind == Kind::Sqlite { StoreError::NotStarted } else { StoreError::Rejected };
        check(loaded == Err(refused), || format!("{loaded:?}"))?;
        let prices = prices_of(&list, &["a", "b", "c-0000", "c-1199", "z"], "USD").await;
        check(prices == expected(&[("a", 1), ("b", 2)]), || format!("{prices:?}"))?;
    }
    Ok(())
}

/// Fails with the requirements that `list` does not meet.
pub(crate) async fn meets_contract(list: List) -> Result<(), Failed> {
    let mut violations = Vec::new();
    for (name, requirement) in CONTRACT {
        if tokio::spawn(requirement(list.clone())).await.is_err() {
            violations.push(*name);
        }
    }
    check(violations.is_empty(), || format!("violated: {violations:#?}"))
}

async fn load(list: &List, prices: &[(&str, &str, i64)]) {
    let price = |&(product, currency, minor): &(&str, &str, i64)| {
        let currency = Currency::from_code(currency).unwrap();
        ((code(product), currency.code()), Money::from_minor(currency, minor).unwrap())
    };
    list.load_prices(prices.iter().map(price).collect(), false).await.unwrap();
}

/// The prices of `products` in minor units, by code.
async fn prices_of(list: &List, products: &[&str], currency: &str) -> Vec<(String, i64)> {
    let currency = Currency::from_code(currency).unwrap();
    let prices = list.prices(products.iter().map(|product| code(product)).collect(), currency).await.unwrap();
    assert!(prices.values().all(|price| price.currency() == currency));
    prices.into_iter().map(|(product, price)| (product.as_str().to_owned(), price.minor())).collect()
}

fn expected(prices: &[(&str, i64)]) -> Vec<(String, i64)> {
    prices.iter().map(|&(product, minor)| (product.to_owned(), minor)).collect()
}

async fn without_a_price(list: List) {
    load(&list, &[("without-1", "USD", 12)]).await;
    assert_eq!(prices_of(&list, &["without-2"], "USD").await, []);
    assert_eq!(prices_of(&list, &["without-2", "without-1"], "USD").await, expected(&[("without-1", 12)]));
    assert_eq!(prices_of(&list, &[], "USD").await, []);
}

async fn in_each_currency(list: List) {
    load(&list, &[("each", "USD", 12), ("each", "JPY", 13), ("each", "KWD", 14)]).await;
    for (currency, minor) in [("USD", 12), ("JPY", 13), ("KWD", 14)] {
        assert_eq!(prices_of(&list, &["each"], currency).await, expected(&[("each", minor)]));
    }
    assert_eq!(prices_of(&list, &["each"], "EUR").await, []);
}

async fn byte_for_byte(list: List) {
    // Composed and decomposed, with spaces at both ends, in another case, of four bytes, and patterns.
    let codes =
        ["b", "B", "b ", " b", "b  ", "é", "e\u{301}", "É", "😀", "ß", "ss", "%", "b%", "'", "\\", "?"];
    let mut prices: Vec<(&str, &str, i64)> = Vec::new();
    for (code, minor) in codes.into_iter().zip(1..) {
        prices.push((code, "EUR", minor));
    }
    load(&list, &prices).await;
    for (code, _, minor) in &prices {
        assert_eq!(prices_of(&list, &[code], "EUR").await, expected(&[(code, *minor)]), "{code:?}");
    }
    assert_eq!(prices_of(&list, &codes, "EUR").await.len(), codes.len());
    assert_eq!(prices_of(&list, &["b   ", "s", "_", "\\\\"], "EUR").await, []);
    let longest = "😀".repeat(PRODUCT_CODE_CHARS_MAX);
    load(&list, &[(&longest, "EUR", 99)]).await;
    assert_eq!(prices_of(&list, &[&longest], "EUR").await, expected(&[(&longest, 99)]));
}

async fn exact_prices(list: List) {
    load(&list, &[("free", "USD", 0), ("dear", "USD", Money::MINOR_MAX)]).await;
    assert_eq!(
        prices_of(&list, &["free", "dear"], "USD").await,
        expected(&[("dear", Money::MINOR_MAX), ("free", 0)])
    );
}

async fn a_full_order(list: List) {
    let codes: Vec<String> = (0..ITEMS_MAX).map(|n| format!("full-{n:03}")).collect();
    let prices: Vec<(&str, &str, i64)> =
        codes.iter().zip(1..).map(|(code, n)| (code.as_str(), "USD", n)).collect();
    load(&list, &prices).await;
    let products: Vec<&str> = codes.iter().map(String::as_str).collect();
    let all: Vec<_> = codes.iter().cloned().zip(1..).collect();
    assert_eq!(prices_of(&list, &products, "USD").await, all);
}

async fn loaded_again(list: List) {
    load(&list, &[("again-1", "USD", 1), ("again-1", "EUR", 2), ("again-2", "USD", 3)]).await;
    load(&list, &[("again-1", "USD", 4), ("again-3", "USD", 5)]).await;
    let products = ["again-1", "again-2", "again-3"];
    let all = expected(&[("again-1", 4), ("again-2", 3), ("again-3", 5)]);
    assert_eq!(prices_of(&list, &products, "USD").await, all);
    assert_eq!(prices_of(&list, &products, "EUR").await, expected(&[("again-1", 2)]));
}

async fn many_thousand(list: List) {
    const COUNT: i64 = 3_000;
    for more in [0, 1] {
        let prices = (0..COUNT).map(|n| ((code(&format!("many-{n}")), "USD"), dollars(n + more)));
        list.load_prices(prices.collect(), false).await.unwrap();
        for n in [0, COUNT / 2, COUNT - 1] {
            let product = format!("many-{n}");
            assert_eq!(prices_of(&list, &[&product], "USD").await, [(product, n + more)]);
        }
    }
}

async fn replaced(list: List) {
    load(&list, &[("gone", "USD", 1), ("kept", "USD", 2)]).await;
    let kept = ((code("kept"), "USD"), dollars(3));
    list.load_prices(Prices::from([kept]), true).await.unwrap();
    assert_eq!(prices_of(&list, &["gone", "kept", "many-1", "b"], "USD").await, expected(&[("kept", 3)]));
}
