//! Whether a client names the price of each item.

use service_kit::env::{Reader, Secrecy};

/// Whether a client names the price of each item: `PRICE_LIST`, as the Order service has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnitPrice {
    /// `none`: it does. A body without one is refused here, with all else that is wrong with it; a server of the old
    /// contract would read a price of 0.
    #[default]
    Required,
    /// `database`: it may leave that to Order's price list.
    Optional,
}

impl UnitPrice {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let read =
            reader.optional_with("PRICE_LIST", "none or database", Secrecy::Public, |text| match text {
                "none" => Some(Self::Required),
                "database" => Some(Self::Optional),
                _ => None,
            });
        read.unwrap_or_default()
    }
}
