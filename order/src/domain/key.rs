//! Idempotency keys.

use std::fmt;

/// Maximum number of bytes of a key.
pub const KEY_BYTES_MAX: usize = 255;

/// Identifies the requests of one user that are to create one order together. Compared byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// `None` unless `text` is 1 to [`KEY_BYTES_MAX`] visible ASCII characters.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=KEY_BYTES_MAX).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    /// Hides the key: a reader of the logs could replay its request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_visible_ascii_of_bounded_length() {
        let key = |text: &str| IdempotencyKey::new(text.to_owned());
        assert!(key("k").is_some() && key(&"k".repeat(KEY_BYTES_MAX)).is_some());
        for bad in ["", "a b", "a\tb", "é", "\u{7f}", &"k".repeat(KEY_BYTES_MAX + 1)] {
            assert!(key(bad).is_none(), "{bad:?}");
        }
    }
}
