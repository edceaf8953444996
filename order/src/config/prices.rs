//! The source of prices.

use std::str::FromStr;

use service_kit::env::Reader;

/// The source of the prices of orders (`PRICE_LIST`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PriceSource {
    /// `none`: the request names every price.
    #[default]
    Caller,
    /// `database`: the price list in Order's database, with which prices of a request must agree.
    Database,
}

/// A text that is neither `none` nor `database`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither none nor database")]
pub struct UnknownPriceSource;

impl PriceSource {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.optional("PRICE_LIST", "none or database").unwrap_or_default()
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
    fn price_list_is_none_by_default() {
        let read = |pairs: &[(&str, &str)]| {
            let vars: Vars = pairs.iter().copied().collect();
            let mut reader = Reader::new(&vars);
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
