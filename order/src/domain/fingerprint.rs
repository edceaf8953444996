//! A fingerprint of what a request means, which tells a replay from a misused key.

use sha2::{Digest, Sha256};

use super::Draft;

/// The meaning of a request: a version and a hash over user, currency and items. Two requests that differ in
/// spelling alone (`0.12`, `"0.120"`) have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of `draft`, by the newest version.
    pub fn of(draft: &Draft) -> Self {
        let mut hash = Sha256::new();
        hash.update(draft.user().get().to_be_bytes());
        hash.update(draft.total().currency().code());
        for item in draft.items() {
            let code = item.product_code.as_str();
            // Lengths first, so that no two lists of items have the same bytes.
            hash.update((code.len() as u64).to_be_bytes());
            hash.update(code);
            hash.update(item.unit_price.minor().to_be_bytes());
            hash.update(item.quantity.get().to_be_bytes());
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("v1:{hex}"))
    }

    /// A fingerprint as it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text that is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use money::{Currency, Money};

    use super::*;
    use crate::domain::{Item, ProductCode, Quantity, UserId};

    fn draft(user: i64, currency: &str, items: &[(&str, i64, i32)]) -> Fingerprint {
        let currency = Currency::from_code(currency).unwrap();
        let items = items.iter().map(|(code, minor, quantity)| Item {
            product_code: ProductCode::new((*code).to_owned()).unwrap(),
            unit_price: Money::from_minor(currency, *minor).unwrap(),
            quantity: Quantity::new(*quantity).unwrap(),
        });
        Fingerprint::of(&Draft::new(UserId::new(user).unwrap(), items.collect()).unwrap())
    }

    #[test]
    fn the_same_meaning_has_the_same_fingerprint_for_ever() {
        // Rows hold it: a change of the computation needs a new version, not a new expectation here.
        let stored = "v1:b9828a9e86148065c90ee2c467979141c02cd03ec347a1f6b3c66bc6a45f3b38";
        assert_eq!(draft(123, "USD", &[("sku1", 12, 1)]).as_str(), stored);
    }

    #[test]
    fn every_part_of_the_meaning_counts() {
        let base = draft(1, "USD", &[("ab", 12, 1), ("c", 1, 1)]);
        for other in [
            draft(2, "USD", &[("ab", 12, 1), ("c", 1, 1)]),
            draft(1, "EUR", &[("ab", 12, 1), ("c", 1, 1)]),
            draft(1, "USD", &[("a", 12, 1), ("bc", 1, 1)]),
            draft(1, "USD", &[("ab", 13, 1), ("c", 1, 1)]),
            draft(1, "USD", &[("ab", 12, 2), ("c", 1, 1)]),
            draft(1, "USD", &[("c", 1, 1), ("ab", 12, 1)]),
            draft(1, "USD", &[("ab", 12, 1)]),
        ] {
            assert_ne!(base, other);
        }
    }
}
