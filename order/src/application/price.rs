//! Pricing: an order is priced once, before it is saved, and keeps its prices.

use super::{
    Application,
    outcome::{PlaceError, not_saved},
    saga::OrderSaga,
};
use crate::{
    domain::{CreateOrder, Draft, IdempotencyKey, Order, PriceMap},
    ports::StoreError,
};

/// The outcome of pricing.
pub(super) enum Priced {
    /// An order that may be placed.
    Draft(Draft),
    /// The items cannot be priced by the current list, but an earlier request placed this order under the
    /// key.
    Earlier(Order),
}

impl OrderSaga {
    /// Prices `command` by the price list, if there is one, at the cost of one read. The key is looked up
    /// only if pricing fails: the list may have changed since the first request with the key.
    pub(super) async fn price(
        &self,
        command: &CreateOrder,
        key: &IdempotencyKey,
    ) -> Result<Priced, PlaceError> {
        let listed = self.listed_prices(command).await?;
        let errors = match command.priced(listed.as_ref()) {
            Ok(draft) => return Ok(Priced::Draft(draft)),
            Err(errors) => errors,
        };
        match self.application.orders.find_by_key(command.user(), key).await {
            Ok(Some(found)) => Ok(Priced::Earlier(found)),
            Ok(None) => Err(PlaceError::Pricing(errors)),
            Err(_) => Err(not_saved(None)),
        }
    }

    async fn listed_prices(&self, command: &CreateOrder) -> Result<Option<PriceMap>, PlaceError> {
        let Application { price_list: Some(list), .. } = &self.application else { return Ok(None) };
        let products = command.products().into_iter().cloned().collect();
        let prices = list.prices(products, command.currency()).await;
        prices.map(Some).map_err(|error| match error {
            StoreError::Rejected => PlaceError::NotStored,
            _ => PlaceError::NotStarted("the price list could not be read"),
        })
    }
}
