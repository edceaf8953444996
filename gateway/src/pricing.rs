//! Whether each item of a request must have a price.

use service_kit::env::{Kind, Mode, Reader, Variable, WhenAbsent};

pub(crate) const PRICE_LIST: Variable = Variable {
    name: "PRICE_LIST",
    kind: Kind::Text("none or database"),
    when_absent: WhenAbsent::Means("none in development; production requires it"),
    meaning: "As for Order: none lets clients state the prices; database lets them leave prices out; set it \
              for Order first.",
};

/// Whether each item of a request must have a price: `PRICE_LIST`, with the same value as at the Order
/// service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnitPrice {
    /// `none`: yes. The gateway rejects an item without one; an Order server of the old contract would read a
    /// price of 0.
    #[default]
    Required,
    /// `database`: no; Order's price list has it.
    Optional,
}

impl UnitPrice {
    pub(super) fn read(reader: &mut Reader<'_>, mode: Option<Mode>) -> Self {
        if mode == Some(Mode::Production) && !reader.is_set(&PRICE_LIST) {
            reader.missing(&PRICE_LIST, "production requires the value of Order, none or database");
        }
        let read = reader.value_with(&PRICE_LIST, |text| match text {
            "none" => Some(Self::Required),
            "database" => Some(Self::Optional),
            _ => None,
        });
        read.unwrap_or_default()
    }
}
