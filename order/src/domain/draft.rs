//! A validated order that is not saved yet.

use money::{AmountError, Currency, Money};

use super::{Fingerprint, ITEMS_MAX, ProductCode, Quantity, UserId};

/// An item of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The product.
    pub product_code: ProductCode,
    /// The price of one piece, as it is charged.
    pub unit_price: Money,
    /// The number of pieces.
    pub quantity: Quantity,
}

/// A validated order that is not saved yet, with its total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    user: UserId,
    items: Vec<Item>,
    total: Money,
    fingerprint: Fingerprint,
}

/// Why items do not make an order. The texts are for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// No item, or too many.
    #[error("must hold 1 to {ITEMS_MAX} items")]
    ItemCount,
    /// The total is 0.
    #[error("must come to a total above 0")]
    NothingToPay,
    /// The total is out of range, or the items have several currencies.
    #[error("must come to a total in one currency and below 2^53 minor units")]
    Total(#[from] AmountError),
}

impl Draft {
    /// A draft of `items` for a request with this fingerprint.
    pub(super) fn new(user: UserId, items: Vec<Item>, fingerprint: Fingerprint) -> Result<Self, DraftError> {
        let first = items.first().filter(|_| items.len() <= ITEMS_MAX).ok_or(DraftError::ItemCount)?;
        let prices = items.iter().map(|item| (item.unit_price, item.quantity));
        let total = Self::total_of(first.unit_price.currency(), prices)?;
        Ok(Self { user, items, total, fingerprint })
    }

    /// The sum of price times quantity.
    pub(super) fn total_of(
        currency: Currency,
        mut prices: impl Iterator<Item = (Money, Quantity)>,
    ) -> Result<Money, DraftError> {
        let total = prices.try_fold(Money::zero(currency), |sum, (price, quantity)| {
            sum.checked_add(price.checked_mul(quantity.get())?)
        })?;
        if total.is_zero() { Err(DraftError::NothingToPay) } else { Ok(total) }
    }

    /// The customer.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The items, in the order of the request.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The sum of price times quantity.
    pub fn total(&self) -> Money {
        self.total
    }

    /// The fingerprint of the request.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(super) fn into_parts(self) -> (Vec<Item>, Fingerprint) {
        (self.items, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use money::Currency;

    use super::*;

    fn item(minor: i64, quantity: i32) -> Item {
        Item {
            product_code: ProductCode::new("sku1".to_owned()).unwrap(),
            unit_price: Money::from_minor(Currency::USD, minor).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
        }
    }

    fn total(items: Vec<Item>) -> Result<i64, DraftError> {
        let fingerprint = Fingerprint::from_stored(String::new());
        Draft::new(UserId::new(1).unwrap(), items, fingerprint).map(|draft| draft.total().minor())
    }

    #[test]
    fn total_is_the_sum_of_price_times_quantity() {
        assert_eq!(total(vec![item(12, 1), item(0, 5), item(7, 3)]), Ok(33));
    }

    #[test]
    fn draft_has_one_to_a_hundred_items() {
        assert_eq!(total(vec![]), Err(DraftError::ItemCount));
        assert_eq!(total(vec![item(1, 1); ITEMS_MAX]), Ok(100));
        assert_eq!(total(vec![item(1, 1); ITEMS_MAX + 1]), Err(DraftError::ItemCount));
    }

    #[test]
    fn total_of_zero_or_out_of_range_is_rejected() {
        assert_eq!(total(vec![item(0, 1)]), Err(DraftError::NothingToPay));
        assert_eq!(total(vec![item(Money::MINOR_MAX, 2)]), Err(DraftError::Total(AmountError::TooLarge)));
        assert_eq!(total(vec![item(Money::MINOR_MAX, 1); 2]), Err(DraftError::Total(AmountError::TooLarge)));
        assert_eq!(total(vec![item(Money::MINOR_MAX, 1)]), Ok(Money::MINOR_MAX));
    }

    #[test]
    fn items_of_two_currencies_are_rejected() {
        let yen = Money::from_minor(Currency::from_code("JPY").unwrap(), 1).unwrap();
        let mixed = vec![item(1, 1), Item { unit_price: yen, ..item(1, 1) }];
        assert_eq!(total(mixed), Err(DraftError::Total(AmountError::CurrencyMismatch)));
    }
}
