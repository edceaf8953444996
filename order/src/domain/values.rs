//! Values of an order, each valid by construction.

use std::fmt;

/// Maximum number of items of an order.
pub const ITEMS_MAX: usize = 100;
/// Maximum quantity of an item.
pub const QUANTITY_MAX: u32 = 1_000_000;
/// Maximum number of characters of a product code.
pub const PRODUCT_CODE_CHARS_MAX: usize = 100;

/// The id of an order, above 0. Generated ids are below 2^53, and later ones are higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(i64);

impl OrderId {
    /// `None` unless `id` is above 0.
    pub fn new(id: i64) -> Option<Self> {
        (id > 0).then_some(Self(id))
    }

    /// The id as an integer.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a customer, above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(i64);

impl UserId {
    /// `None` unless `id` is above 0.
    pub fn new(id: i64) -> Option<Self> {
        (id > 0).then_some(Self(id))
    }

    /// The id as an integer.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// The code of a product: 1 to [`PRODUCT_CODE_CHARS_MAX`] characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProductCode(String);

impl ProductCode {
    /// `None` if `text` is empty, too long, or contains a control character.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=PRODUCT_CODE_CHARS_MAX).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The quantity of an item: 1 to [`QUANTITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(u32);

impl Quantity {
    /// `None` if `pieces` is out of range.
    pub fn new(pieces: i32) -> Option<Self> {
        u32::try_from(pieces).ok().filter(|pieces| (1..=QUANTITY_MAX).contains(pieces)).map(Self)
    }

    /// The number of pieces.
    pub fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_rejected() {
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
