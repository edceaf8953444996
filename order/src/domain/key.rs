//! Idempotency keys: what makes a repeated request the same request.

use std::fmt;

/// Bytes of a key, each a visible ASCII character.
pub const KEY_BYTES_MAX: usize = 255;

/// A caller's name for one request, scoped to one user and compared byte for byte.
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
    /// Whoever knows a key can repeat its request, so a key stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        let key = |text: &str| IdempotencyKey::new(text.to_owned());
        assert!(key("k").is_some() && key(&"k".repeat(KEY_BYTES_MAX)).is_some());
        for bad in ["", "a b", "a\tb", "é", "\u{7f}", &"k".repeat(KEY_BYTES_MAX + 1)] {
            assert!(key(bad).is_none(), "{bad:?}");
        }
    }
}
