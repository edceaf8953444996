//! The source of the prices of an order.

use std::str::FromStr;

use service_kit::env::{Kind, Reader, Variable, WhenAbsent};

/// The [`PriceSource`].
pub const PRICE_LIST: Variable = Variable {
    name: "PRICE_LIST",
    kind: Kind::Text("none or database"),
    when_absent: WhenAbsent::Default("none"),
    meaning: "The value database takes prices from the price list in Order's database; set it for Order \
              first, then for the gateway.",
};

/// The source of the prices of an order (`PRICE_LIST`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PriceSource {
    /// `none`: the client.
    #[default]
    Caller,
    /// `database`: the price list in Order's database; a price of the client must equal it.
    Database,
}

/// A text that is not a [`PriceSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither none nor database")]
pub struct UnknownPriceSource;

impl PriceSource {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.value(&PRICE_LIST).unwrap_or_default()
    }
}

impl FromStr for PriceSource {
    type Err = UnknownPriceSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::Caller),
            "database" => Ok(Self::Database),
            _ => Err(UnknownPriceSource),
        }
    }
}

#[cfg(test)]
mod tests {
    use service_kit::env::Vars;

    use super::*;

    #[test]
    fn prices_are_the_client_s_unless_a_list_is_configured() {
        let read = |pairs: &[(&str, &str)]| {
            let vars: Vars = pairs.iter().copied().collect();
            let mut reader = Reader::new(&vars, &[&[&PRICE_LIST]]);
            let source = PriceSource::read(&mut reader);
            reader.finish(Some(source)).map_err(|errors| errors.to_string())
        };
        assert_eq!(read(&[]), Ok(PriceSource::Caller));
        assert_eq!(read(&[("PRICE_LIST", "none")]), Ok(PriceSource::Caller));
        assert_eq!(read(&[("PRICE_LIST", "database")]), Ok(PriceSource::Database));
        let error =
            "PRICE_LIST environment variable is invalid: found \"Database\"; accepted: none or database.";
        assert_eq!(read(&[("PRICE_LIST", "Database")]), Err(error.to_owned()));
    }
}
