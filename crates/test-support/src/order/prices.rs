//! A price list in memory.

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
    domain::{PriceMap, ProductCode},
    ports::{PriceList, StoreError},
};

/// What happens to a read.
#[derive(Debug, Clone, Copy)]
pub enum ListFault {
    /// It fails.
    Fails(StoreError),
    /// It takes this long.
    Takes(Duration),
}

/// Prices by product and currency.
#[derive(Debug, Default)]
pub struct FakePrices {
    prices: Mutex<Prices>,
    script: Mutex<VecDeque<ListFault>>,
    reads: AtomicUsize,
}

impl FakePrices {
    /// As [`DbPrices::load`](order::adapters::db::DbPrices::load).
    pub fn load(&self, prices: Prices, replace: bool) {
        let mut list = self.prices.lock().unwrap();
        if replace {
            list.clear();
        }
        list.extend(prices);
    }

    /// Scripts the next reads. Later reads succeed.
    pub fn next(&self, faults: impl IntoIterator<Item = ListFault>) {
        self.script.lock().unwrap().extend(faults);
    }

    /// The number of reads.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl PriceList for FakePrices {
    async fn prices(&self, products: Vec<ProductCode>, currency: Currency) -> Result<PriceMap, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let fault = self.script.lock().unwrap().pop_front();
        match fault {
            Some(ListFault::Fails(error)) => return Err(error),
            Some(ListFault::Takes(time)) => tokio::time::sleep(time).await,
            None => {}
        }
        let list = self.prices.lock().unwrap();
        let price = |product: ProductCode| {
            let price = *list.get(&(product.clone(), currency.code()))?;
            Some((product, price))
        };
        Ok(products.into_iter().filter_map(price).collect())
    }
}
