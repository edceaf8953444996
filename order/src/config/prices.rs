//! The source of the prices of an order.

use std::str::FromStr;

use service_kit::env::{Kind, Mode, Reader, Variable, WhenAbsent};

/// The [`PriceSource`].
pub const PRICE_LIST: Variable = Variable {
    name: "PRICE_LIST",
    kind: Kind::Text("none or database"),
    when_absent: WhenAbsent::Means("none in development; production requires it"),
    meaning: "The value none lets clients state the prices; database takes them from the price list in \
              Order's database; set it for Order first, then for the gateway.",
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
    pub(super) fn read(reader: &mut Reader<'_>, mode: Option<Mode>) -> Self {
        if mode == Some(Mode::Production) && !reader.is_set(&PRICE_LIST) {
            let why = "production requires none, which lets clients state the prices, or database";
            reader.missing(&PRICE_LIST, why);
        }
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

    fn read_in(mode: Mode, pairs: &[(&str, &str)]) -> Result<PriceSource, String> {
        let vars: Vars = pairs.iter().copied().collect();
        let mut reader = Reader::new(&vars, &[&[&PRICE_LIST]]);
        let source = PriceSource::read(&mut reader, Some(mode));
        reader.finish(Some(source)).map_err(|errors| errors.to_string())
    }

    #[test]
    fn production_requires_a_decision() {
        let missing = "PRICE_LIST environment variable is missing: production requires none, which lets \
                       clients state the prices, or database.";
        assert_eq!(read_in(Mode::Production, &[]), Err(missing.to_owned()));
        assert_eq!(read_in(Mode::Production, &[("PRICE_LIST", "")]), Err(missing.to_owned()));
        assert_eq!(read_in(Mode::Production, &[("PRICE_LIST", "none")]), Ok(PriceSource::Caller));
        assert_eq!(read_in(Mode::Production, &[("PRICE_LIST", "database")]), Ok(PriceSource::Database));
    }

    #[test]
    fn prices_are_the_client_s_unless_a_list_is_configured() {
        let read = |pairs: &[(&str, &str)]| read_in(Mode::Development, pairs);
        assert_eq!(read(&[]), Ok(PriceSource::Caller));
        assert_eq!(read(&[("PRICE_LIST", "none")]), Ok(PriceSource::Caller));
        assert_eq!(read(&[("PRICE_LIST", "database")]), Ok(PriceSource::Database));
        let error =
            "PRICE_LIST environment variable is invalid: found \"Database\"; accepted: none or database.";
        assert_eq!(read(&[("PRICE_LIST", "Database")]), Err(error.to_owned()));
    }
}
