//! What every price list must do: the obligations of the port `PriceList`, one function each, and of loading one.

use std::{future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use money::{Currency, Money};
use order::{
    adapters::db::{DbPrices, Prices},
    domain::{ITEMS_MAX, PRODUCT_CODE_CHARS_MAX, ProductCode},
    ports::{PriceList, StoreError},
};
use test_support::{Failed, Trial, check, trial};

use crate::{
    fake_prices::FakePrices,
    given::{Given, Kind},
};

/// A price list that can be loaded.
#[async_trait]
pub(crate) trait Shelf: PriceList {
    async fn stock(&self, prices: Prices, replace: bool) -> Result<(), StoreError>;
}

#[async_trait]
impl Shelf for FakePrices {
    async fn stock(&self, prices: Prices, replace: bool) -> Result<(), StoreError> {
        self.load(prices, replace);
        Ok(())
    }
}

#[async_trait]
impl Shelf for DbPrices {
    async fn stock(&self, prices: Prices, replace: bool) -> Result<(), StoreError> {
        self.load(prices, replace).await
    }
}

/// Two instances over one list: what was loaded through one is asked of the other.
struct TwoPrices {
    loaded: DbPrices,
    asked: DbPrices,
}

#[async_trait]
impl PriceList for TwoPrices {
    async fn quotes(
        &self,
        products: Vec<ProductCode>,
        currency: Currency,
    ) -> Result<order::domain::Quotes, StoreError> {
        self.asked.quotes(products, currency).await
    }
}

#[async_trait]
impl Shelf for TwoPrices {
    async fn stock(&self, prices: Prices, replace: bool) -> Result<(), StoreError> {
        self.loaded.load(prices, replace).await
    }
}

type List = Arc<dyn Shelf>;
type Obligation = fn(List) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// In this order: the last one empties the list.
const OBLIGATIONS: &[(&str, Obligation)] = &[
    ("a product without a price is left out", |list| Box::pin(without_a_price(list))),
    ("a product has a price in each currency", |list| Box::pin(in_each_currency(list))),
    ("codes are compared byte for byte", |list| Box::pin(byte_for_byte(list))),
    ("prices are exact at their extremes", |list| Box::pin(exact_prices(list))),
    ("as many products as an order has are answered at once", |list| Box::pin(a_full_order(list))),
    ("loading replaces what it names and nothing else", |list| Box::pin(loaded_again(list))),
    ("many thousand prices are loaded", |list| Box::pin(many_thousand(list))),
    ("a list that is replaced is forgotten", |list| Box::pin(replaced(list))),
];

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let of_each = Kind::ALL.into_iter().flat_map(|kind| {
        let name = kind.name();
        [
            trial(&format!("{name} keeps the contract of price lists"), kind.needs(), move || one(kind)),
            trial(
                &format!("two instances over {name} keep the contract of price lists"),
                kind.needs(),
                move || two(kind),
            ),
            trial(&format!("{name} loads all prices or none"), kind.needs(), move || all_or_none(kind)),
            trial(
                &format!("{name} whose product codes are texts breaks the contract"),
                kind.needs(),
                move || is_noticed(kind),
            ),
        ]
    });
    let fake =
        trial("the fake keeps the contract of price lists", &[], || keeps(Arc::new(FakePrices::default())));
    of_each.chain([fake])
}

async fn one(kind: Kind) -> Result<(), Failed> {
    let given = Given::new(kind).await?;
    keeps(Arc::new(DbPrices::new(given.open().await?))).await
}

async fn two(kind: Kind) -> Result<(), Failed> {
    let given = Given::new(kind).await?;
    let (loaded, asked) = (DbPrices::new(given.open().await?), DbPrices::new(given.open().await?));
    keeps(Arc::new(TwoPrices { loaded, asked })).await
}

/// A load of several statements, the last of which the database refuses, leaves what was there.
async fn all_or_none(kind: Kind) -> Result<(), Failed> {
    let given = Given::new(kind).await?;
    let list: List = Arc::new(DbPrices::new(given.open().await?));
    stock(&list, &[("a", "USD", 1), ("b", "USD", 2)]).await;
    let refuse_666 = match kind {
        Kind::Sqlite => {
            "CREATE TRIGGER refuse BEFORE INSERT ON prices WHEN NEW.unit_price_minor = 666
             BEGIN SELECT RAISE(ABORT, 'as it should'); END"
        }
        Kind::MariaDb | Kind::Postgres => "ALTER TABLE prices ADD CHECK (unit_price_minor <> 666)",
    };
    given.execute(refuse_666).await?;
    for replace in [false, true] {
        let others =
            (0..1_200).map(|n| (format!("c-{n:04}"), 7)).chain([("a".to_owned(), 8), ("z".to_owned(), 666)]);
        let price = |(text, minor): (String, i64)| {
            ((code(&text), "USD"), Money::from_minor(Currency::USD, minor).unwrap())
        };
        let loaded = list.stock(others.map(price).collect(), replace).await;
        check(loaded == Err(StoreError::NotStarted), || format!("{loaded:?}"))?;
        let left = asked(&list, &["a", "b", "c-0000", "c-1199", "z"], "USD").await;
        check(left == told(&[("a", 1), ("b", 2)]), || format!("{left:?}"))?;
    }
    Ok(())
}

/// A list that compares codes as its database compares texts.
async fn is_noticed(kind: Kind) -> Result<(), Failed> {
    const NOTICED: &str = "codes are compared byte for byte";
    let given = Given::new(kind).await?;
    let database = given.open().await?;
    let as_texts = match kind {
        Kind::Sqlite => {
            "DROP TABLE prices; CREATE TABLE prices (product_code TEXT COLLATE NOCASE NOT NULL, currency TEXT NOT NULL,
                 unit_price_minor BIGINT NOT NULL, PRIMARY KEY (product_code, currency))"
        }
        Kind::MariaDb => "ALTER TABLE prices MODIFY product_code VARCHAR(100) COLLATE utf8mb4_bin NOT NULL",
        Kind::Postgres => "CREATE UNIQUE INDEX folded ON prices (lower(product_code), currency)",
    };
    given.execute(as_texts).await?;
    let suspects: Vec<_> = OBLIGATIONS.iter().filter(|(name, _)| *name == NOTICED).copied().collect();
    let broken = broken(Arc::new(DbPrices::new(database)), &suspects).await;
    check(broken == [NOTICED], || format!("{broken:?}"))
}

/// Fails with the obligations that `list` does not keep.
pub(crate) async fn keeps(list: List) -> Result<(), Failed> {
    let broken = broken(list, OBLIGATIONS).await;
    check(broken.is_empty(), || format!("not kept: {broken:#?}"))
}

/// Tries `obligations` on `list`, and names those that it does not keep.
async fn broken(list: List, obligations: &[(&'static str, Obligation)]) -> Vec<&'static str> {
    let mut broken = Vec::new();
    for (name, obligation) in obligations {
        if tokio::spawn(obligation(list.clone())).await.is_err() {
            broken.push(*name);
        }
    }
    broken
}

fn code(text: &str) -> ProductCode {
    ProductCode::new(text.to_owned()).unwrap()
}

async fn stock(list: &List, prices: &[(&str, &str, i64)]) {
    let price = |&(product, currency, minor): &(&str, &str, i64)| {
        let currency = Currency::from_code(currency).unwrap();
        ((code(product), currency.code()), Money::from_minor(currency, minor).unwrap())
    };
    list.stock(prices.iter().map(price).collect(), false).await.unwrap();
}

/// Each product of `products` that has a price, in the order of their codes, with its price in minor units.
async fn asked(list: &List, products: &[&str], currency: &str) -> Vec<(String, i64)> {
    let currency = Currency::from_code(currency).unwrap();
    let quotes = list.quotes(products.iter().map(|product| code(product)).collect(), currency).await.unwrap();
    assert!(quotes.values().all(|price| price.currency() == currency));
    quotes.into_iter().map(|(product, price)| (product.as_str().to_owned(), price.minor())).collect()
}

fn told(prices: &[(&str, i64)]) -> Vec<(String, i64)> {
    prices.iter().map(|&(product, minor)| (product.to_owned(), minor)).collect()
}

async fn without_a_price(list: List) {
    stock(&list, &[("without-1", "USD", 12)]).await;
    assert_eq!(asked(&list, &["without-2"], "USD").await, []);
    assert_eq!(asked(&list, &["without-2", "without-1"], "USD").await, told(&[("without-1", 12)]));
    assert_eq!(asked(&list, &[], "USD").await, []);
}

async fn in_each_currency(list: List) {
    stock(&list, &[("each", "USD", 12), ("each", "JPY", 13), ("each", "KWD", 14)]).await;
    for (currency, minor) in [("USD", 12), ("JPY", 13), ("KWD", 14)] {
        assert_eq!(asked(&list, &["each"], currency).await, told(&[("each", minor)]));
    }
    assert_eq!(asked(&list, &["each"], "EUR").await, []);
}

async fn byte_for_byte(list: List) {
    // Composed and decomposed, with spaces at either end, in another case, beyond the basic plane, as a pattern.
    let codes =
        ["b", "B", "b ", " b", "b  ", "é", "e\u{301}", "É", "😀", "ß", "ss", "%", "b%", "'", "\\", "?"];
    let mut prices: Vec<(&str, &str, i64)> = Vec::new();
    for (code, minor) in codes.into_iter().zip(1..) {
        prices.push((code, "EUR", minor));
    }
    stock(&list, &prices).await;
    for (code, _, minor) in &prices {
        assert_eq!(asked(&list, &[code], "EUR").await, told(&[(code, *minor)]), "{code:?}");
    }
    assert_eq!(asked(&list, &codes, "EUR").await.len(), codes.len());
    assert_eq!(asked(&list, &["b   ", "s", "_", "\\\\"], "EUR").await, []);
    let longest = "😀".repeat(PRODUCT_CODE_CHARS_MAX);
    stock(&list, &[(&longest, "EUR", 99)]).await;
    assert_eq!(asked(&list, &[&longest], "EUR").await, told(&[(&longest, 99)]));
}

async fn exact_prices(list: List) {
    stock(&list, &[("free", "USD", 0), ("dear", "USD", Money::MINOR_MAX)]).await;
    assert_eq!(
        asked(&list, &["free", "dear"], "USD").await,
        told(&[("dear", Money::MINOR_MAX), ("free", 0)])
    );
}

async fn a_full_order(list: List) {
    let codes: Vec<String> = (0..ITEMS_MAX).map(|n| format!("full-{n:03}")).collect();
    let prices: Vec<(&str, &str, i64)> =
        codes.iter().zip(1..).map(|(code, n)| (code.as_str(), "USD", n)).collect();
    stock(&list, &prices).await;
    let products: Vec<&str> = codes.iter().map(String::as_str).collect();
    let expected: Vec<_> = codes.iter().cloned().zip(1..).collect();
    assert_eq!(asked(&list, &products, "USD").await, expected);
}

async fn loaded_again(list: List) {
    stock(&list, &[("again-1", "USD", 1), ("again-1", "EUR", 2), ("again-2", "USD", 3)]).await;
    stock(&list, &[("again-1", "USD", 4), ("again-3", "USD", 5)]).await;
    let products = ["again-1", "again-2", "again-3"];
    let expected = told(&[("again-1", 4), ("again-2", 3), ("again-3", 5)]);
    assert_eq!(asked(&list, &products, "USD").await, expected);
    assert_eq!(asked(&list, &products, "EUR").await, told(&[("again-1", 2)]));
}

async fn many_thousand(list: List) {
    const COUNT: i64 = 3_000;
    let dollars = |minor| Money::from_minor(Currency::USD, minor).unwrap();
    for more in [0, 1] {
        let prices = (0..COUNT).map(|n| ((code(&format!("many-{n}")), "USD"), dollars(n + more)));
        list.stock(prices.collect(), false).await.unwrap();
        for n in [0, COUNT / 2, COUNT - 1] {
            let product = format!("many-{n}");
            assert_eq!(asked(&list, &[&product], "USD").await, [(product, n + more)]);
        }
    }
}

async fn replaced(list: List) {
    stock(&list, &[("gone", "USD", 1), ("kept", "USD", 2)]).await;
    let kept = ((code("kept"), "USD"), Money::from_minor(Currency::USD, 3).unwrap());
    list.stock(Prices::from([kept]), true).await.unwrap();
    assert_eq!(asked(&list, &["gone", "kept", "many-1", "b"], "USD").await, told(&[("kept", 3)]));
}
