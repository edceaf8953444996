//! What an order costs: resolved once, before it is saved, and kept with it.

use super::{
    Application,
    place::{Driver, PlaceError, unsaved},
};
use crate::domain::{Basket, Draft, IdempotencyKey, Order, Quotes};

/// What a basket comes to.
pub(super) enum Priced {
    /// An order that may be placed.
    Now(Draft),
    /// Nothing, by the price list as it is; but an earlier request placed this order under the key.
    Before(Order),
}

impl Driver {
    /// Prices `basket` by the price list, where there is one. That costs one read; whether the key is known already is
    /// looked up only where the basket would be refused: the list may have changed since the first request with the key.
    pub(super) async fn price(&self, basket: &Basket, key: &IdempotencyKey) -> Result<Priced, PlaceError> {
        let quotes = self.quotes(basket).await?;
        let refusals = match basket.priced(quotes.as_ref()) {
            Ok(draft) => return Ok(Priced::Now(draft)),
            Err(refusals) => refusals,
        };
        match self.application.orders.find_by_key(basket.user(), key).await {
            Ok(Some(found)) => Ok(Priced::Before(found)),
            Ok(None) => Err(PlaceError::Refused(refusals)),
            Err(_) => Err(unsaved(None)),
        }
    }

    async fn quotes(&self, basket: &Basket) -> Result<Option<Quotes>, PlaceError> {
        let Application { price_list: Some(list), .. } = &self.application else { return Ok(None) };
        let products = basket.products().into_iter().cloned().collect();
        let quotes = list.quotes(products, basket.currency()).await;
        quotes.map(Some).map_err(|_| PlaceError::NotStarted("the price list could not be read"))
    }
}
