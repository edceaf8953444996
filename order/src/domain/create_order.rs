//! The command to create an order, whose prices may be left to the price list.

use std::collections::{BTreeMap, BTreeSet};

use money::{Currency, Money};

use super::{Draft, DraftError, Fingerprint, ITEMS_MAX, Item, ProductCode, Quantity, UserId};

/// An item of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedItem {
    /// The product.
    pub product_code: ProductCode,
    /// The price of one piece, in the currency of the order; `None` leaves it to the price list.
    pub unit_price: Option<Money>,
    /// The number of pieces.
    pub quantity: Quantity,
}

/// Prices of one piece of each product, in one currency.
pub type PriceMap = BTreeMap<ProductCode, Money>;

/// The command to create an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOrder {
    user: UserId,
    currency: Currency,
    items: Vec<RequestedItem>,
    fingerprint: Fingerprint,
}

/// Why an item, or the request, cannot be priced. Items are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PricingError {
    /// The price of the item differs from the list.
    PriceMismatch {
        /// The index of the item.
        item: usize,
        /// The price in the list.
        listed: Money,
    },
    /// The list has no price for the product of the item.
    NoPrice {
        /// The index of the item.
        item: usize,
        /// The currency of the order.
        currency: Currency,
    },
    /// The item has no price, and the service keeps no price list.
    NoPriceList {
        /// The index of the item.
        item: usize,
    },
    /// The items are priced, but do not make an order.
    Draft(DraftError),
}

impl CreateOrder {
    /// A command for `user` with every price in `currency`.
    ///
    /// # Errors
    ///
    /// [`DraftError`] if the number of items is out of range, or every item has a price and the total is out
    /// of range.
    pub fn new(user: UserId, currency: Currency, items: Vec<RequestedItem>) -> Result<Self, DraftError> {
        if !(1..=ITEMS_MAX).contains(&items.len()) {
            return Err(DraftError::ItemCount);
        }
        let prices = items.iter().map(|item| Some((item.unit_price?, item.quantity)));
        if let Some(prices) = prices.collect::<Option<Vec<_>>>() {
            Draft::total_of(currency, prices.into_iter())?;
        }
        let fingerprint = Fingerprint::of(
            user,
            currency,
            items.iter().map(|item| (&item.product_code, item.unit_price, item.quantity)),
        );
        Ok(Self { user, currency, items, fingerprint })
    }

    /// The customer.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The currency of every price.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The fingerprint of the request as it was sent; independent of the price list.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Whether an item leaves its price to the price list.
    pub fn has_unpriced_items(&self) -> bool {
        self.items.iter().any(|item| item.unit_price.is_none())
    }

    /// The products, each once.
    pub fn products(&self) -> BTreeSet<&ProductCode> {
        self.items.iter().map(|item| &item.product_code).collect()
    }

    /// The order at the prices of the list: `listed` has those of [`products`](Self::products) that the list
    /// contains. `None` means that the service keeps no list, so that every item must have a price.
    ///
    /// # Errors
    ///
    /// Every [`PricingError`], by index of the item.
    pub fn priced(&self, listed: Option<&PriceMap>) -> Result<Draft, Vec<PricingError>> {
        let (mut items, mut errors) = (Vec::with_capacity(self.items.len()), Vec::new());
        for (index, item) in self.items.iter().enumerate() {
            let RequestedItem { product_code, quantity, .. } = item.clone();
            match self.unit_price(index, item, listed) {
                Ok(unit_price) => items.push(Item { product_code, unit_price, quantity }),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let draft = Draft::new(self.user, self.currency, items, self.fingerprint.clone());
        draft.map_err(|error| vec![PricingError::Draft(error)])
    }

    fn unit_price(
        &self,
        index: usize,
        item: &RequestedItem,
        listed: Option<&PriceMap>,
    ) -> Result<Money, PricingError> {
        let Some(listed) = listed else {
            return item.unit_price.ok_or(PricingError::NoPriceList { item: index });
        };
        let listed = *listed
            .get(&item.product_code)
            .ok_or(PricingError::NoPrice { item: index, currency: self.currency })?;
        match item.unit_price {
            Some(requested) if requested != listed => {
                Err(PricingError::PriceMismatch { item: index, listed })
            }
            _ => Ok(listed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> ProductCode {
        ProductCode::new(text.to_owned()).unwrap()
    }

    fn dollars(minor: i64) -> Money {
        Money::from_minor(Currency::USD, minor).unwrap()
    }

    fn try_command(items: &[(&str, Option<i64>)]) -> Result<CreateOrder, DraftError> {
        let item = |&(product_code, minor): &(&str, Option<i64>)| RequestedItem {
            product_code: code(product_code),
            unit_price: minor.map(dollars),
            quantity: Quantity::new(2).unwrap(),
        };
        CreateOrder::new(UserId::new(1).unwrap(), Currency::USD, items.iter().map(item).collect())
    }

    fn command(items: &[(&str, Option<i64>)]) -> CreateOrder {
        try_command(items).unwrap()
    }

    fn prices(prices: &[(&str, i64)]) -> PriceMap {
        prices.iter().map(|&(product, minor)| (code(product), dollars(minor))).collect()
    }

    #[test]
    fn every_item_needs_a_price_without_a_list() {
        let draft = command(&[("a", Some(12)), ("b", Some(0))]).priced(None).unwrap();
        assert_eq!(draft.total(), dollars(24));
        let errors = command(&[("a", None), ("b", Some(1)), ("c", None)]).priced(None);
        assert_eq!(
            errors,
            Err(vec![PricingError::NoPriceList { item: 0 }, PricingError::NoPriceList { item: 2 }])
        );
    }

    #[test]
    fn missing_price_is_taken_from_the_list() {
        let list = prices(&[("a", 12), ("b", 0)]);
        let draft = command(&[("a", None), ("b", None), ("a", Some(12))]).priced(Some(&list)).unwrap();
        let prices: Vec<i64> = draft.items().iter().map(|item| item.unit_price.minor()).collect();
        assert_eq!((prices, draft.total()), (vec![12, 0, 12], dollars(48)));
    }

    #[test]
    fn every_pricing_error_is_returned_at_once() {
        let list = prices(&[("a", 12), ("b", 5)]);
        let command =
            command(&[("a", Some(11)), ("A", None), ("b", Some(5)), ("c", Some(1)), ("b", Some(0))]);
        let currency = Currency::USD;
        assert_eq!(
            command.priced(Some(&list)),
            Err(vec![
                PricingError::PriceMismatch { item: 0, listed: dollars(12) },
                PricingError::NoPrice { item: 1, currency },
                PricingError::NoPrice { item: 3, currency },
                PricingError::PriceMismatch { item: 4, listed: dollars(5) },
            ])
        );
    }

    #[test]
    fn total_is_bounded_with_and_without_a_list() {
        let nothing = DraftError::NothingToPay;
        let large = DraftError::Total(money::AmountError::TooLarge);
        assert_eq!(try_command(&[("a", Some(0))]), Err(nothing));
        assert_eq!(try_command(&[("a", Some(Money::MINOR_MAX))]), Err(large));
        let half = Money::MINOR_MAX / 2;
        assert_eq!(try_command(&[("a", Some(half)), ("b", Some(1))]), Err(large));
        assert_eq!(command(&[("a", Some(half))]).priced(None).unwrap().total(), dollars(half * 2));
        let full = [("a", Some(1)); ITEMS_MAX];
        assert_eq!(command(&full).priced(None).unwrap().total(), dollars(200));
        assert_eq!(try_command(&[("a", Some(1)); ITEMS_MAX + 1]), Err(DraftError::ItemCount));
        assert_eq!(try_command(&[]), Err(DraftError::ItemCount));
        assert_eq!(try_command(&[("a", None); ITEMS_MAX + 1]), Err(DraftError::ItemCount));
        for (listed, error) in [(0, nothing), (Money::MINOR_MAX, large)] {
            let errors = command(&[("a", None)]).priced(Some(&prices(&[("a", listed)])));
            assert_eq!(errors, Err(vec![PricingError::Draft(error)]));
        }
    }

    #[test]
    fn prices_in_another_currency_are_rejected() {
        let yen = Money::from_minor(Currency::from_code("JPY").unwrap(), 1).unwrap();
        let item = |unit_price| RequestedItem {
            product_code: code("a"),
            unit_price: Some(unit_price),
            quantity: Quantity::new(1).unwrap(),
        };
        let mixed = vec![item(dollars(1)), item(yen)];
        let rejected = CreateOrder::new(UserId::new(1).unwrap(), Currency::USD, mixed);
        assert_eq!(rejected, Err(DraftError::Total(money::AmountError::CurrencyMismatch)));
    }

    #[test]
    fn fingerprint_does_not_depend_on_the_list() {
        let unpriced = command(&[("a", None), ("b", Some(5))]);
        for price in [12, 13] {
            let list = prices(&[("a", price), ("b", 5)]);
            assert_eq!(unpriced.priced(Some(&list)).unwrap().fingerprint(), unpriced.fingerprint());
        }
        // A request with every price has the same draft with and without a list, as before there were lists.
        let priced = command(&[("a", Some(12)), ("b", Some(5))]);
        let draft = priced.priced(Some(&prices(&[("a", 12), ("b", 5)]))).unwrap();
        assert_eq!(Ok(&draft), priced.priced(None).as_ref());
        assert_eq!(draft.fingerprint(), priced.fingerprint());
    }
}
