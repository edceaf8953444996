//! CSV files of prices (RFC 4180).

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    io::Read,
};

use csv::{ByteRecord, ReaderBuilder, Writer};
use money::{Currency, Money};

use super::db::Prices;
use crate::domain::ProductCode;

/// Maximum number of prices of a file: a transaction of so many rows commits within the timeout of a
/// statement.
pub const PRICES_MAX: usize = 100_000;
/// Maximum number of faults that are listed; the rest are counted.
pub const FAULTS_MAX: usize = 20;

/// The rule for product codes, for operators.
pub(crate) const PRODUCT_CODE_ACCEPTED: &str =
    "must be 1 to 100 characters, none of them a control character";

const COLUMNS: [&str; 3] = ["product_code", "currency", "unit_price"];

/// The faults of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    /// Each starts with its line, counted from 1, if it has one.
    listed: Vec<String>,
    more: usize,
}

impl fmt::Display for Faults {
    /// One line for a single fault, else a line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([only], 0) = (self.listed.as_slice(), self.more) {
            return f.write_str(only);
        }
        write!(f, "{} faults", self.listed.len() + self.more)?;
        self.listed.iter().try_for_each(|fault| write!(f, "\n  {fault}"))?;
        if self.more > 0 { write!(f, "\n  and {} more", self.more) } else { Ok(()) }
    }
}

impl Faults {
    fn single(fault: impl fmt::Display) -> Self {
        Self { listed: vec![fault.to_string()], more: 0 }
    }

    fn add(&mut self, line: u64, what: impl fmt::Display) {
        if self.listed.len() < FAULTS_MAX {
            self.listed.push(format!("line {line}: {what}"));
        } else {
            self.more += 1;
        }
    }
}

/// Reads a file with a header line and exactly the columns `product_code`, `currency` and `unit_price`, in
/// any order. Values are not trimmed. A price is a decimal in major units, with at most the decimals of its
/// currency.
///
/// # Errors
///
/// All [faults](Faults), of which the first [`FAULTS_MAX`] are listed.
pub fn read(file: impl Read) -> Result<Prices, Faults> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
    let columns = columns(reader.byte_headers().map_err(Faults::single)?)?;
    let mut faults = Faults { listed: Vec::new(), more: 0 };
    let mut prices: BTreeMap<(ProductCode, &'static str), (Money, u64)> = BTreeMap::new();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(Faults::single)? {
        let line = record.position().map_or(0, csv::Position::line);
        let Some((code, price)) = read_record(&record, columns, line, &mut faults) else { continue };
        match prices.entry((code, price.currency().code())) {
            Entry::Vacant(vacant) => drop(vacant.insert((price, line))),
            Entry::Occupied(first) => {
                let ((code, currency), (_, before)) = (first.key(), first.get());
                faults.add(
                    line,
                    format_args!("{:?} has a price in {currency} on line {before}", code.as_str()),
                );
            }
        }
        if prices.len() > PRICES_MAX {
            faults.add(line, format_args!("more than {PRICES_MAX} prices; load several files"));
            break;
        }
    }
    if prices.is_empty() && faults.listed.is_empty() {
        return Err(Faults::single("it holds no price"));
    }
    if !faults.listed.is_empty() {
        return Err(faults);
    }
    Ok(prices.into_iter().map(|(key, (price, _))| (key, price)).collect())
}

/// The text of a file with `prices`.
///
/// # Errors
///
/// The reason, in one line.
pub fn write(prices: &Prices) -> Result<String, String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| error.to_string())?;
    for ((code, currency), price) in prices {
        let record = [code.as_str(), currency, &price.to_string()];
        writer.write_record(record).map_err(|error| error.to_string())?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The position of each of [`COLUMNS`].
fn columns(header: &ByteRecord) -> Result<[usize; 3], Faults> {
    let position = |name: &str| header.iter().position(|column| column == name.as_bytes());
    match COLUMNS.map(position) {
        [Some(code), Some(currency), Some(price)] if header.len() == COLUMNS.len() => {
            Ok([code, currency, price])
        }
        _ => Err(Faults::single(format_args!("line 1: must name the columns {}", COLUMNS.join(", ")))),
    }
}

/// The price of a line; `None` adds its faults to `faults`.
fn read_record(
    record: &ByteRecord,
    columns: [usize; 3],
    line: u64,
    faults: &mut Faults,
) -> Option<(ProductCode, Money)> {
    if record.len() != COLUMNS.len() {
        faults.add(line, format_args!("has {} fields, must have {}", record.len(), COLUMNS.len()));
        return None;
    }
    let text = |column: usize| std::str::from_utf8(&record[column]).ok();
    let Some(texts) = columns.map(text).into_iter().collect::<Option<Vec<_>>>() else {
        faults.add(line, "is not UTF-8");
        return None;
    };
    let [code, currency, price] = [texts[0], texts[1], texts[2]];
    let product_code = ProductCode::new(code.to_owned());
    if product_code.is_none() {
        faults.add(line, format_args!("product_code {PRODUCT_CODE_ACCEPTED}"));
    }
    let currency = Currency::from_code(currency)
        .map_err(|error| faults.add(line, format_args!("currency {error}")))
        .ok();
    let price = Money::parse(currency?, price)
        .map_err(|error| faults.add(line, format_args!("unit_price {error}")))
        .ok();
    Some((product_code?, price?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn file_round_trips() {
        let text = "product_code,currency,unit_price\n\"a, \"\"b\"\" \",USD,0.12\nsku1,JPY,12\nsku1,USD,0.00\n\
                    😀,KWD,9007199254740.991\n";
        let prices = read(text.as_bytes()).unwrap();
        assert_eq!(write(&prices).unwrap(), text);
        let minors: Vec<i64> = prices.values().map(|price| price.minor()).collect();
        assert_eq!(minors, [12, 12, 0, Money::MINOR_MAX]);
    }

    #[test]
    fn columns_are_found_by_name_after_a_byte_order_mark() {
        let text = "\u{feff}unit_price,product_code,currency\r\n1.5,sku1,USD\r\n";
        assert_eq!(write(&read(text.as_bytes()).unwrap()).unwrap().lines().last(), Some("sku1,USD,1.50"));
    }

    #[test]
    fn every_fault_is_listed_with_its_line() {
        let listed = faults(
            "product_code,currency,unit_price\nok,USD,1\n,USD,1\na,usd,1\nb,USD,0.001\nc,USD\nd,USD,-1\n\
             \"e\n\",JPY,x\nok,USD,2\nok,EUR,2\n",
        );
        assert_eq!(
            listed,
            "8 faults\n  line 3: product_code must be 1 to 100 characters, none of them a control character\n  \
             line 4: currency must be the ISO 4217 code of a currency in use, in capitals, USD for instance\n  \
             line 5: unit_price must have no more than 2 decimals, as USD has\n  \
             line 6: has 2 fields, must have 3\n  \
             line 7: unit_price must be 0 or more\n  \
             line 8: product_code must be 1 to 100 characters, none of them a control character\n  \
             line 8: unit_price must be a decimal number\n  \
             line 10: \"ok\" has a price in USD on line 2"
        );
    }

    #[test]
    fn faults_beyond_the_maximum_are_counted() {
        let listed =
            faults(&format!("product_code,currency,unit_price\n{}", ",USD,1\n".repeat(FAULTS_MAX + 3)));
        assert!(listed.starts_with("23 faults\n") && listed.ends_with("\n  and 3 more"), "{listed}");
        assert_eq!(listed.lines().count(), FAULTS_MAX + 2);
    }

    #[test]
    fn invalid_file_is_rejected() {
        let columns = "line 1: must name the columns product_code, currency, unit_price";
        for text in ["", "a,USD,1\n", "product_code,currency\n", "product_code,currency,unit_price,note\n"] {
            assert_eq!(faults(text), columns, "{text:?}");
        }
        assert_eq!(faults("product_code,currency,unit_price\n"), "it holds no price");
        let mut bytes = b"product_code,currency,unit_price\na,USD,1\n\xff,USD,1\n".to_vec();
        assert_eq!(read(bytes.as_slice()).unwrap_err().to_string(), "line 3: is not UTF-8");
        bytes.truncate(34);
        assert_eq!(read(bytes.as_slice()).unwrap_err().to_string(), "line 2: has 1 fields, must have 3");
    }

    #[test]
    fn number_of_prices_is_bounded() {
        let lines = |count: usize| {
            let rows: String = (0..count).map(|n| format!("{n},USD,1\n")).collect();
            format!("product_code,currency,unit_price\n{rows}")
        };
        assert_eq!(read(lines(PRICES_MAX).as_bytes()).unwrap().len(), PRICES_MAX);
        assert!(faults(&lines(PRICES_MAX + 1)).contains("more than 100000 prices"));
    }
}
