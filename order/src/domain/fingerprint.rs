//! Fingerprint of a request: distinguishes a replay from another request with the same key.

use money::{Currency, Money};
use sha2::{Digest, Sha256};

use super::{ProductCode, Quantity, UserId};

/// A version and a hash over user, currency and items of a request, as the client sent them. Requests that
/// differ only in spelling (`0.12`, `"0.120"`) have the same fingerprint. The price list does not influence
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Computes the fingerprint of a request. Version 1 is for requests with a price for every item. Version
    /// 2 is for the others, and hashes for each item whether it has a price.
    pub(super) fn of<'a>(
        user: UserId,
        currency: Currency,
        items: impl Iterator<Item = (&'a ProductCode, Option<Money>, Quantity)> + Clone,
    ) -> Self {
        let all_priced = items.clone().all(|(_, price, _)| price.is_some());
        let mut hash = Sha256::new();
        hash.update(user.get().to_be_bytes());
        hash.update(currency.code());
        for (product_code, price, quantity) in items {
            let code = product_code.as_str();
            // Lengths first, so that no two lists of items have the same bytes.
            hash.update((code.len() as u64).to_be_bytes());
            hash.update(code);
            if !all_priced {
                hash.update([u8::from(price.is_some())]);
            }
            if let Some(price) = price {
                hash.update(price.minor().to_be_bytes());
            }
            hash.update(quantity.get().to_be_bytes());
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("v{}:{hex}", if all_priced { 1 } else { 2 }))
    }

    /// A fingerprint that was read from the database.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: i64, currency: &str, items: &[(&str, Option<i64>, i32)]) -> Fingerprint {
        let currency = Currency::from_code(currency).unwrap();
        let codes: Vec<ProductCode> =
            items.iter().map(|(code, ..)| ProductCode::new((*code).to_owned()).unwrap()).collect();
        let items = codes.iter().zip(items).map(|(code, &(_, minor, quantity))| {
            let price = minor.map(|minor| Money::from_minor(currency, minor).unwrap());
            (code, price, Quantity::new(quantity).unwrap())
        });
        Fingerprint::of(UserId::new(user).unwrap(), currency, items)
    }

    #[test]
    fn fingerprint_of_a_request_never_changes() {
        // Rows contain fingerprints: another computation needs another version, not other expectations here.
        let stored = "v1:b9828a9e86148065c90ee2c467979141c02cd03ec347a1f6b3c66bc6a45f3b38";
        assert_eq!(of(123, "USD", &[("sku1", Some(12), 1)]).as_str(), stored);
        let stored = "v2:0f1a466edd9e13cfb22ab7a9d9260f58dbafbd95ff021cb4bb05651b1e3a1ec6";
        assert_eq!(of(123, "USD", &[("sku1", None, 1)]).as_str(), stored);
    }

    #[test]
    fn every_field_changes_the_fingerprint() {
        let all = [
            of(1, "USD", &[("ab", Some(12), 1), ("c", Some(1), 1)]),
            of(2, "USD", &[("ab", Some(12), 1), ("c", Some(1), 1)]),
            of(1, "EUR", &[("ab", Some(12), 1), ("c", Some(1), 1)]),
            of(1, "USD", &[("a", Some(12), 1), ("bc", Some(1), 1)]),
            of(1, "USD", &[("ab", Some(13), 1), ("c", Some(1), 1)]),
            of(1, "USD", &[("ab", Some(12), 2), ("c", Some(1), 1)]),
            of(1, "USD", &[("c", Some(1), 1), ("ab", Some(12), 1)]),
            of(1, "USD", &[("ab", Some(12), 1)]),
            of(1, "USD", &[("ab", None, 1), ("c", Some(1), 1)]),
            of(1, "USD", &[("ab", Some(0), 1), ("c", Some(1), 1)]),
            of(1, "USD", &[("ab", Some(12), 1), ("c", None, 1)]),
            of(1, "USD", &[("ab", None, 1), ("c", None, 1)]),
            of(1, "USD", &[("ab", None, 2), ("c", None, 1)]),
            of(2, "USD", &[("ab", None, 1), ("c", None, 1)]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| other != one), "{index}");
        }
    }
}
