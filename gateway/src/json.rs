//! Strict JSON: a document as a tree of raw texts that keeps duplicate members and the digits of numbers.
//!
//! [`document`] validates the whole text once. Below the top level, a [`Value`] is the text of a valid value
//! and is parsed on demand: members that the contract does not have are never parsed, however deep they are.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

pub(crate) mod pointer;

/// The text of a value in the document.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct Value<'a>(#[serde(borrow)] &'a RawValue);

/// The types of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

/// The members of an object in the order of the document, duplicates included.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// Why a text is not a JSON object. The texts are public.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// It is not UTF-8 (RFC 8259, section 8.1).
    #[error("is not UTF-8 at line {line} column {column}")]
    NotUtf8 {
        /// Counted from 1.
        line: usize,
        /// In bytes, counted from 1.
        column: usize,
    },
    /// It is not JSON.
    #[error("is not valid JSON: {0}")]
    NotJson(String),
    /// It is JSON of another type.
    #[error("must be a JSON object")]
    NotAnObject,
}

/// Parses a document whose top level is an object.
pub(crate) fn document(bytes: &[u8]) -> Result<Members<'_>, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => Malformed::NotAnObject,
        _ => Malformed::NotJson(error.to_string()),
    })
}

fn not_utf8(bytes: &[u8], valid_bytes: usize) -> Malformed {
    let before = bytes.get(..valid_bytes).unwrap_or_default();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    Malformed::NotUtf8 { line, column: valid_bytes - line_start + 1 }
}

impl<'a> Value<'a> {
    /// The type of the value.
    pub(crate) fn kind(self) -> Kind {
        match self.0.get().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The text of a number as it was sent.
    pub(crate) fn number(self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then(|| self.0.get())
    }

    /// A string, unescaped. `None` for half a surrogate pair, which is not Unicode.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String)
            .then(|| serde_json::from_str::<Text<'a>>(self.0.get()).ok())?
            .map(|text| text.0)
    }

    /// The first `max` elements of an array. The others are not read, so that they cost nothing.
    pub(crate) fn elements(self, max: usize) -> Option<Vec<Value<'a>>> {
        if self.kind() != Kind::Array {
            return None;
        }
        let mut elements = Vec::new();
        let mut array = serde_json::Deserializer::from_str(self.0.get());
        // The array is valid JSON: the only error is that it has further elements.
        let _ = array.deserialize_seq(FirstElements { max, elements: &mut elements });
        Some(elements)
    }

    /// The members of an object. `None` if a name is not Unicode.
    pub(crate) fn members(self) -> Option<Members<'a>> {
        (self.kind() == Kind::Object).then(|| serde_json::from_str(self.0.get()).ok())?
    }
}

impl<'a> IntoIterator for Members<'a> {
    type Item = (Cow<'a, str>, Value<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Reads `max` elements of an array.
struct FirstElements<'v, 'a> {
    max: usize,
    elements: &'v mut Vec<Value<'a>>,
}

impl<'de> Visitor<'de> for FirstElements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while self.elements.len() < self.max
            && let Some(element) = array.next_element()?
        {
            self.elements.push(element);
        }
        Ok(())
    }
}

/// A string that borrows from the document unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, Value<'de>>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<(Cow<'_, str>, Value<'_>)> {
        document(text.as_bytes()).unwrap().into_iter().collect()
    }

    fn only(text: &str) -> Value<'_> {
        members(text)[0].1
    }

    #[test]
    fn duplicates_are_kept_and_names_are_unescaped() {
        let names: Vec<_> =
            members(r#"{"a":1,"b":2,"\u0061":3}"#).into_iter().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["a", "b", "a"]);
    }

    #[test]
    fn a_number_keeps_its_digits() {
        for digits in
            ["1.0", "0.10000000000000000000000000000000000000001", "1e400", "-0", "18446744073709551616"]
        {
            assert_eq!(only(&format!("{{\"n\": {digits} }}")).number(), Some(digits));
        }
        assert_eq!(only(r#"{"n":"1"}"#).number(), None);
    }

    #[test]
    fn every_type_is_recognized() {
        let kinds: Vec<_> = members(r#"{"a":null,"b":true,"c":-1,"d":"","e":[],"f":{}}"#)
            .iter()
            .map(|(_, v)| v.kind())
            .collect();
        use Kind::*;
        assert_eq!(kinds, [Null, Boolean, Number, String, Array, Object]);
    }

    #[test]
    fn a_string_is_unescaped_and_half_a_surrogate_pair_is_rejected() {
        assert_eq!(only(r#"{"s":"plain"}"#).string(), Some(Cow::Borrowed("plain")));
        assert_eq!(only(r#"{"s":"\ud83d\ude00\n"}"#).string().as_deref(), Some("😀\n"));
        assert_eq!(only(r#"{"s":"\ud83d"}"#).string(), None);
        assert_eq!(only(r#"{"s":1}"#).string(), None);
    }

    #[test]
    fn nested_values_are_parsed_on_demand() {
        let array = only(r#"{"a":[1, {"b":2} ]}"#);
        for (max, read) in [(0, 0), (1, 1), (2, 2), (9, 2)] {
            assert_eq!(array.elements(max).unwrap().len(), read);
        }
        assert_eq!(only(r#"{"a":[ ]}"#).elements(9).unwrap().len(), 0);
        let elements = array.elements(9).unwrap();
        assert_eq!(elements[0].number(), Some("1"));
        assert_eq!(elements[1].members().unwrap().into_iter().count(), 1);
        assert!(elements[0].members().is_none() && elements[1].elements(9).is_none());
    }

    #[test]
    fn invalid_json_is_rejected_with_its_position() {
        for bad in [
            "",
            "{",
            "{}x",
            "{} {}",
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":NaN}"#,
            r#"{"a":01}"#,
            r#"{"a":.5}"#,
            r#"{"a":1.}"#,
            r#"{"a":+1}"#,
            r#"{"a":"\x"}"#,
            "{\"a\":\"\u{0}\"}",
            r#"{'a':1}"#,
            r#"{"\ud83d":1}"#,
            "\u{feff}{}",
            &"{\"a\":".repeat(30_000),
        ] {
            let refused = document(bad.as_bytes()).unwrap_err();
            let Malformed::NotJson(why) = &refused else { panic!("{bad}: {refused}") };
            assert!(why.contains("at line 1 column"), "{why}");
        }
    }

    #[test]
    fn another_type_at_the_top_is_rejected() {
        for bad in ["null", "1", "\"a\"", "[]", "true", &"[".repeat(60_000)] {
            assert_eq!(document(bad.as_bytes()).unwrap_err(), Malformed::NotAnObject);
        }
    }

    #[test]
    fn the_first_byte_that_is_not_utf_8_is_reported() {
        let refused = document(b"{\n\"a\":\"\xff\"}").unwrap_err();
        assert_eq!(refused, Malformed::NotUtf8 { line: 2, column: 6 });
    }

    #[test]
    fn a_deep_value_is_not_parsed() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(only(&deep).kind(), Kind::Array);
    }
}
