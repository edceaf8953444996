//! `Idempotency-Key`: what makes a repeated order one order.
//!
//! The header is a string of RFC 9651, or, as most clients send it, the bare text: `"k"` and `k` are one
//! key. A request without one is given one, so that a client that was told 504 has a key to repeat.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::{limits::KEY_CHARS, problem::Violation};

/// The header, of requests and of every answer to an order being placed.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The schema's pattern for the header's value, by the rules of [`parse`].
pub(crate) const PATTERN: &str = r#"^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#;

/// A key, bare: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

/// The key of one request, and what is wrong with the one it came with; an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct EffectiveKey {
    /// The caller's, or, where there is none or it is invalid, a fresh one.
    pub(crate) key: Key,
    /// Why the caller's was not taken.
    pub(crate) violation: Option<Violation>,
}

impl Key {
    /// A key that nobody has used.
    fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The bare text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// The header that repeats this key: bare, unless it begins as a quoted one does.
    pub(crate) fn to_header(&self) -> HeaderValue {
        let value = match self.0.starts_with('"') {
            true => HeaderValue::try_from(format!("{:?}", self.0)),
            false => HeaderValue::try_from(self.0.as_str()),
        };
        // Visible ASCII is a header's value always.
        value.unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// The key of a request with these headers.
pub(crate) fn effective(headers: &HeaderMap) -> EffectiveKey {
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let detail = match (values.next(), values.next()) {
        (None, _) => return EffectiveKey { key: Key::fresh(), violation: None },
        (Some(value), None) => match parse(value.as_bytes()) {
            Some(key) => return EffectiveKey { key, violation: None },
            None => {
                "the header Idempotency-Key must be 1 to 255 visible ASCII characters, bare or as a quoted string"
            }
        },
        (Some(_), Some(_)) => "the header Idempotency-Key must be given once",
    };
    let violation = Violation {
        field: "idempotency_key".to_owned(),
        pointer: None,
        detail: detail.to_owned(),
        reason: None,
    };
    EffectiveKey { key: Key::fresh(), violation: Some(violation) }
}

/// The key that a header's value gives.
fn parse(value: &[u8]) -> Option<Key> {
    let bare = match value.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted)?,
        None => value.to_vec(),
    };
    let valid = KEY_CHARS.contains(&bare.len()) && bare.iter().all(u8::is_ascii_graphic);
    valid.then(|| String::from_utf8(bare).ok().map(Key))?
}

/// What stands before the closing quote, which must end the value, without its escapes (RFC 9651, 4.2.5).
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

    fn read(values: &[&[u8]]) -> EffectiveKey {
        let header = |value: &&[u8]| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        effective(&values.iter().map(header).collect())
    }

    fn taken(value: &str) -> Option<String> {
        let read = read(&[value.as_bytes()]);
        read.violation.is_none().then(|| read.key.into_text())
    }

    #[test]
    fn a_quoted_key_and_a_bare_one_are_the_same() {
        assert_eq!(taken("k-1").as_deref(), Some("k-1"));
        assert_eq!(taken("\"k-1\"").as_deref(), Some("k-1"));
        assert_eq!(taken(r#""a\"b\\c""#).as_deref(), Some(r#"a"b\c"#));
        assert_eq!(taken(r#"a"b\c"#).as_deref(), Some(r#"a"b\c"#));
    }

    #[test]
    fn the_length_is_counted_bare() {
        let longest = "k".repeat(255);
        assert_eq!(taken(&longest).as_deref(), Some(longest.as_str()));
        assert_eq!(taken(&format!("\"{longest}\"")).as_deref(), Some(longest.as_str()));
        assert_eq!(taken(&format!("\"{}\"", "\\\"".repeat(255))), Some("\"".repeat(255)));
        assert_eq!(taken(&"k".repeat(256)), None);
        assert_eq!(taken(&format!("\"{}\"", "k".repeat(256))), None);
    }

    #[test]
    fn anything_else_is_named_and_replaced_by_a_fresh_key() {
        for bad in
            ["", "\"\"", "\"", "\"a", "\"a\"b", "\"a\";p=1", "\"a\\n\"", "\"a\\", "a b", "\"a b\"", "a\tb"]
        {
            assert_eq!(taken(bad), None, "{bad:?}");
        }
        let read = read(&["schlüssel".as_bytes()]);
        assert_eq!(read.violation.map(|v| v.field).as_deref(), Some("idempotency_key"));
        assert!(read.key.into_text().parse::<Uuid>().is_ok());
    }

    #[test]
    fn two_headers_are_one_too_many() {
        assert!(read(&[b"a", b"a"]).violation.is_some_and(|v| v.detail.contains("once")));
    }

    #[test]
    fn a_request_without_a_key_is_given_one() {
        let (one, other) = (read(&[]), read(&[]));
        assert!(one.violation.is_none() && one.key != other.key);
    }

    #[test]
    fn the_answer_repeats_a_key_that_reads_back_as_the_same() {
        for key in ["k", "a\"b", "\"", "\"a\\b\"", "\\"] {
            let key = Key(key.to_owned());
            assert_eq!(parse(key.to_header().as_bytes()), Some(key));
        }
    }

    #[test]
    fn the_pattern_of_the_document_says_the_same() {
        let schema = serde_json::json!({ "type": "string", "pattern": PATTERN });
        let validator = jsonschema::validator_for(&schema).unwrap();
        let (longest, quotes) = ("k".repeat(255), "\\\"".repeat(255));
        for value in ["k", "a\"b", "\\", "\"k\"", r#""a\"b\\c""#, &longest, &format!("\"{quotes}\"")] {
            assert!(taken(value).is_some() && validator.is_valid(&value.into()), "{value}");
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
            assert!(taken(value).is_none() && !validator.is_valid(&value.into()), "{value}");
        }
    }
}
