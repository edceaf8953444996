//! A price list in memory. It keeps the same contract as the one in the database, and fails when a test says so.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use money::Currency;
use order::{
    adapters::db::Prices,
    domain::{ProductCode, Quotes},
    ports::{PriceList, StoreError},
};

/// What becomes of a question.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    Fails(StoreError),
    Takes(Duration),
}

/// Prices by product and currency.
#[derive(Debug, Default)]
pub(crate) struct FakePrices {
    prices: Mutex<Prices>,
    script: Mutex<VecDeque<Reading>>,
    asked: AtomicUsize,
}

impl FakePrices {
    pub(crate) fn load(&self, prices: Prices, replace: bool) {
        let mut list = self.prices.lock().unwrap();
        if replace {
            list.clear();
        }
        list.extend(prices);
    }

    /// The next questions end like this, one after the other; those after them are answered.
    pub(crate) fn next(&self, readings: impl IntoIterator<Item = Reading>) {
        self.script.lock().unwrap().extend(readings);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl PriceList for FakePrices {
    async fn quotes(&self, products: Vec<ProductCode>, currency: Currency) -> Result<Quotes, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let reading = self.script.lock().unwrap().pop_front();
        match reading {
            Some(Reading::Fails(error)) => return Err(error),
            Some(Reading::Takes(time)) => tokio::time::sleep(time).await,
            None => {}
        }
        let list = self.prices.lock().unwrap();
        let quote = |product: ProductCode| {
            let price = *list.get(&(product.clone(), currency.code()))?;
            Some((product, price))
        };
        Ok(products.into_iter().filter_map(quote).collect())
    }
}
