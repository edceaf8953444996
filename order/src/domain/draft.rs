//! An order that is to be placed: valid by construction.

use money::{AmountError, Currency, Money};

use super::Fingerprint;

/// Items of one order.
pub const ITEMS_MAX: usize = 100;
/// Pieces of one item.
pub const QUANTITY_MAX: u32 = 1_000_000;
/// Characters of a product code.
pub const PRODUCT_CODE_CHARS_MAX: usize = 100;

/// A customer. Above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(i64);

impl UserId {
    /// `None` unless `id` is above 0.
    pub fn new(id: i64) -> Option<Self> {
        (id > 0).then_some(Self(id))
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// What is ordered: 1 to [`PRODUCT_CODE_CHARS_MAX`] characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProductCode(String);

impl ProductCode {
    /// `None` for a text that is empty, too long, or holds a control character.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=PRODUCT_CODE_CHARS_MAX).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many pieces: 1 to [`QUANTITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(u32);

impl Quantity {
    /// `None` for a number out of range.
    pub fn new(pieces: i32) -> Option<Self> {
        u32::try_from(pieces).ok().filter(|pieces| (1..=QUANTITY_MAX).contains(pieces)).map(Self)
    }

    /// The number of pieces.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is ordered.
    pub product_code: ProductCode,
    /// Price of one piece, as it is charged.
    pub unit_price: Money,
    /// How many pieces.
    pub quantity: Quantity,
}

/// What is to be placed, with the total that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    user: UserId,
    items: Vec<Item>,
    total: Money,
    fingerprint: Fingerprint,
}

/// Why items make no order, in words fit for whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// No item, or too many.
    #[error("must hold 1 to {ITEMS_MAX} items")]
    ItemCount,
    /// The total is nothing.
    #[error("must come to a total above 0")]
    NothingToPay,
    /// The total cannot be counted.
    #[error("must come to a total in one currency and below 2^53 minor units")]
    Total(#[from] AmountError),
}

impl Draft {
    /// A draft of `items`, whose prices the caller named, for `user`.
    ///
    /// # Errors
    ///
    /// [`DraftError`] where the items are none or too many, or their total is out of range.
    pub fn new(user: UserId, items: Vec<Item>) -> Result<Self, DraftError> {
        let currency = items.first().ok_or(DraftError::ItemCount)?.unit_price.currency();
        let named = items.iter().map(|item| (&item.product_code, Some(item.unit_price), item.quantity));
        let fingerprint = Fingerprint::of(user, currency, named);
        Self::of(user, items, fingerprint)
    }

    /// A draft of what a request with this fingerprint asks for.
    pub(super) fn of(user: UserId, items: Vec<Item>, fingerprint: Fingerprint) -> Result<Self, DraftError> {
        let first = items.first().filter(|_| items.len() <= ITEMS_MAX).ok_or(DraftError::ItemCount)?;
        let pieces = items.iter().map(|item| (item.unit_price, item.quantity));
        let total = Self::total_of(first.unit_price.currency(), pieces)?;
        Ok(Self { user, items, total, fingerprint })
    }

    /// What so many pieces at such prices cost.
    pub(super) fn total_of(
        currency: Currency,
        mut pieces: impl Iterator<Item = (Money, Quantity)>,
    ) -> Result<Money, DraftError> {
        let total = pieces.try_fold(Money::zero(currency), |sum, (price, quantity)| {
            sum.checked_add(price.checked_mul(quantity.get())?)
        })?;
        if total.is_zero() { Err(DraftError::NothingToPay) } else { Ok(total) }
    }

    /// Who orders.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// What is ordered, in the caller's order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The sum of price times quantity.
    pub fn total(&self) -> Money {
        self.total
    }

    /// What the request means that asks for it.
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
        Draft::new(UserId::new(1).unwrap(), items).map(|draft| draft.total().minor())
    }

    #[test]
    fn the_total_is_the_sum_of_price_times_quantity() {
        assert_eq!(total(vec![item(12, 1), item(0, 5), item(7, 3)]), Ok(33));
    }

    #[test]
    fn an_order_has_one_to_a_hundred_items() {
        assert_eq!(total(vec![]), Err(DraftError::ItemCount));
        assert_eq!(total(vec![item(1, 1); ITEMS_MAX]), Ok(100));
        assert_eq!(total(vec![item(1, 1); ITEMS_MAX + 1]), Err(DraftError::ItemCount));
    }

    #[test]
    fn a_total_of_nothing_or_beyond_counting_is_refused() {
        assert_eq!(total(vec![item(0, 1)]), Err(DraftError::NothingToPay));
        assert_eq!(total(vec![item(Money::MINOR_MAX, 2)]), Err(DraftError::Total(AmountError::TooLarge)));
        assert_eq!(total(vec![item(Money::MINOR_MAX, 1); 2]), Err(DraftError::Total(AmountError::TooLarge)));
        assert_eq!(total(vec![item(Money::MINOR_MAX, 1)]), Ok(Money::MINOR_MAX));
    }

    #[test]
    fn items_of_two_currencies_are_no_order() {
        let yen = Money::from_minor(Currency::from_code("JPY").unwrap(), 1).unwrap();
        let mixed = vec![item(1, 1), Item { unit_price: yen, ..item(1, 1) }];
        assert_eq!(total(mixed), Err(DraftError::Total(AmountError::CurrencyMismatch)));
    }

    #[test]
    fn values_out_of_range_are_not_built() {
        assert!(UserId::new(0).is_none() && UserId::new(-1).is_none());
        assert!(
            Quantity::new(0).is_none() && Quantity::new(-1).is_none() && Quantity::new(1_000_001).is_none()
        );
        let code = |text: &str| ProductCode::new(text.to_owned());
        assert!(code("").is_none() && code("a\0b").is_none() && code("a\nb").is_none());
        assert!(code(&"é".repeat(PRODUCT_CODE_CHARS_MAX)).is_some());
        assert!(code(&"é".repeat(PRODUCT_CODE_CHARS_MAX + 1)).is_none());
    }
}
