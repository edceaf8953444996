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
    /// A draft of `items`, with every price in `currency`, for a request with this fingerprint.
    pub(super) fn new(
        user: UserId,
        currency: Currency,
        items: Vec<Item>,
        fingerprint: Fingerprint,
    ) -> Result<Self, DraftError> {
        let total = Self::total_of(currency, items.iter().map(|item| (item.unit_price, item.quantity)))?;
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
