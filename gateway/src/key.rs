//! `Idempotency-Key`: requests with the same key are one order.
//!
//! The header is a string of RFC 9651 or, as most clients send it, the bare text: `"k"` and `k` are one key.
//! A request without a key gets a generated one, so that its client can retry after a 504.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::{limits::KEY_CHARS, problem::Violation};

/// The header of requests, and of every response to `POST /orders`.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The pattern of the header in the OpenAPI document, equivalent to [`parse`].
pub(crate) const PATTERN: &str = r#"^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#;

/// A bare key: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

/// The key of a request; an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct EffectiveKey {
    /// The client's key, or a generated one if that is missing or invalid.
    pub(crate) key: Key,
    /// Why the client's key is invalid.
    pub(crate) violation: Option<Violation>,
}

impl Key {
    /// A new key.
    fn generate() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The bare text.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// The header value of this key: bare, unless it starts with a quote.
    pub(crate) fn to_header(&self) -> HeaderValue {
        let value = match self.0.starts_with('"') {
            true => HeaderValue::try_from(format!("{:?}", self.0)),
            false => HeaderValue::try_from(self.0.as_str()),
        };
        // Visible ASCII is always a valid header value.
        value.unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// The key that applies to a request with these headers.
pub(crate) fn effective(headers: &HeaderMap) -> EffectiveKey {
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let detail = match (values.next(), values.next()) {
        (None, _) => return EffectiveKey { key: Key::generate(), violation: None },
        (Some(value), None) => match parse(value.as_bytes()) {
            Some(key) => return EffectiveKey { key, violation: None },
            None => {
                "the header Idempotency-Key must be 1 to 255 visible ASCII characters, bare or as a quoted \
                 string"
            }
        },
        (Some(_), Some(_)) => "the header Idempotency-Key must be given once",
    };
    let violation = Violation::new("idempotency_key", None, detail);
    EffectiveKey { key: Key::generate(), violation: Some(violation) }
}

/// Parses a header value.
fn parse(value: &[u8]) -> Option<Key> {
    let bare = match value.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted)?,
        None => value.to_vec(),
    };
    let valid = KEY_CHARS.contains(&bare.len()) && bare.iter().all(u8::is_ascii_graphic);
    valid.then(|| String::from_utf8(bare).ok().map(Key))?
}

/// Unescapes the text before the closing quote, which must end the value (RFC 9651, section 4.2.5).
fn unquote(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = quoted.iter().copied();
    let mut text = Vec::with_capacity(quoted.len());
    loop {
        match bytes.next()? {
            b'"' => return bytes.next().is_none().then_some(text),
            b'\\' => text.push(bytes.next().filter(|escaped| matches!(escaped, b'"' | b'\\'))?),
            byte => text.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective_key(values: &[&[u8]]) -> EffectiveKey {
        let header = |value: &&[u8]| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        effective(&values.iter().map(header).collect())
    }

    fn accepted(value: &str) -> Option<String> {
        let effective = effective_key(&[value.as_bytes()]);
        effective.violation.is_none().then(|| effective.key.into_string())
    }

    #[test]
    fn a_quoted_key_and_a_bare_one_are_the_same() {
        assert_eq!(accepted("k-1").as_deref(), Some("k-1"));
        assert_eq!(accepted("\"k-1\"").as_deref(), Some("k-1"));
        assert_eq!(accepted(r#""a\"b\\c""#).as_deref(), Some(r#"a"b\c"#));
        assert_eq!(accepted(r#"a"b\c"#).as_deref(), Some(r#"a"b\c"#));
    }

    #[test]
    fn the_length_is_counted_bare() {
        let longest = "k".repeat(255);
        assert_eq!(accepted(&longest).as_deref(), Some(longest.as_str()));
        assert_eq!(accepted(&format!("\"{longest}\"")).as_deref(), Some(longest.as_str()));
        assert_eq!(accepted(&format!("\"{}\"", "\\\"".repeat(255))), Some("\"".repeat(255)));
        assert_eq!(accepted(&"k".repeat(256)), None);
        assert_eq!(accepted(&format!("\"{}\"", "k".repeat(256))), None);
    }

    #[test]
    fn an_invalid_key_is_reported_and_replaced() {
        for bad in
            ["", "\"\"", "\"", "\"a", "\"a\"b", "\"a\";p=1", "\"a\\n\"", "\"a\\", "a b", "\"a b\"", "a\tb"]
        {
            assert_eq!(accepted(bad), None, "{bad:?}");
        }
        let effective = effective_key(&["schlüssel".as_bytes()]);
        assert_eq!(effective.violation.map(|v| v.field).as_deref(), Some("idempotency_key"));
        assert!(effective.key.into_string().parse::<Uuid>().is_ok());
    }

    #[test]
    fn a_repeated_header_is_rejected() {
        assert!(effective_key(&[b"a", b"a"]).violation.is_some_and(|v| v.detail.contains("once")));
    }

    #[test]
    fn a_request_without_a_key_gets_a_new_one() {
        let (one, other) = (effective_key(&[]), effective_key(&[]));
        assert!(one.violation.is_none() && one.key != other.key);
    }

    #[test]
    fn a_header_value_parses_to_the_same_key() {
        for key in ["k", "a\"b", "\"", "\"a\\b\"", "\\"] {
            let key = Key(key.to_owned());
            assert_eq!(parse(key.to_header().as_bytes()), Some(key));
        }
    }

    #[test]
    fn the_pattern_accepts_the_same_values() {
        let schema = serde_json::json!({ "type": "string", "pattern": PATTERN });
        let validator = jsonschema::validator_for(&schema).unwrap();
        let (longest, quotes) = ("k".repeat(255), "\\\"".repeat(255));
        for value in ["k", "a\"b", "\\", "\"k\"", r#""a\"b\\c""#, &longest, &format!("\"{quotes}\"")] {
            assert!(accepted(value).is_some() && validator.is_valid(&value.into()), "{value}");
        }
        let too_long = "k".repeat(256);
        for value in [
            "",
            "\"",
            "\"\"",
            "\"a",
            "\"a\"b",
            "a b",
            "\"a b\"",
            r#""a\n""#,
            &too_long,
            &format!("\"{too_long}\""),
        ] {
            assert!(accepted(value).is_none() && !validator.is_valid(&value.into()), "{value}");
        }
    }
}
