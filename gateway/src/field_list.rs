//! Lists in header fields (RFC 9110, section 5.6.1), and the weights of their elements (section 12.4.2).

use http::{HeaderMap, HeaderName};

/// The weight of an element without `q`, and the largest one, in thousandths.
const WEIGHT_MAX: u16 = 1000;

/// The elements of all lines of the field `name`, without parameters, and their weights in thousandths: 0
/// rejects the element. Elements that are empty or have an invalid weight are left out.
pub(crate) fn weighted<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'h str, u16)> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(weighted_line)
}

/// The same for one line.
pub(crate) fn weighted_line(line: &str) -> impl Iterator<Item = (&str, u16)> {
    split(line, ',').filter_map(|element| {
        let mut parts = split(element, ';').map(str::trim);
        let value = parts.next().filter(|value| !value.is_empty())?;
        let weight = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim_end().eq_ignore_ascii_case("q").then(|| weight(value.trim_start()))
        });
        Some((value, weight.unwrap_or(Some(WEIGHT_MAX))?))
    })
}

/// A weight: 0 or 1 with at most three decimals.
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = [1000, 100, 10, 1][decimals.len()];
    let thousandths = decimals.bytes().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')) * scale;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(WEIGHT_MAX),
        _ => None,
    }
}

/// Splits `text` at each `separator` outside of quoted strings.
pub(crate) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let (ends, escapes) = (c == '"' && !escaped, quoted && !escaped && c == '\\');
        (quoted, escaped) = (quoted ^ ends, escapes);
        c == separator && !quoted
    })
}

/// Whether every quoted string of `text` ends.
pub(crate) fn quotes_match(text: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        let (ends, escapes) = (c == '"' && !escaped, quoted && !escaped && c == '\\');
        (quoted, escaped) = (quoted ^ ends, escapes);
    }
    !quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_0_or_1_with_three_decimals() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.05", Some(50)),
            ("0.001", Some(1)),
            ("0.999", Some(999)),
            ("1", Some(1000)),
            ("1.", Some(1000)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("0.0000", None),
            ("2", None),
            ("-0", None),
            (".5", None),
            ("00", None),
            ("0,5", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(weight(text), expected, "{text}");
        }
    }

    #[test]
    fn elements_with_an_invalid_weight_are_left_out() {
        let elements: Vec<_> =
            weighted_line("a, b;q=0 , ,c ; Q = 0.5;x, d;q=, e;q=2, f;x=\"1,2;q=0\";q=0.1, g;q").collect();
        assert_eq!(elements, [("a", 1000), ("b", 0), ("c", 500), ("f", 100)]);
    }

    #[test]
    fn text_is_split_outside_of_quoted_strings() {
        for (text, parts) in [
            ("a,b", &["a", "b"][..]),
            ("a=\"1,2\",b", &["a=\"1,2\"", "b"]),
            (r#"a="\",",b"#, &[r#"a="\",""#, "b"]),
            (r#"a\,b"#, &[r"a\", "b"]),
            ("a=\"1,2", &["a=\"1,2"]),
        ] {
            assert_eq!(split(text, ',').collect::<Vec<_>>(), parts, "{text}");
        }
        assert!(quotes_match(r#"a="\"""#) && !quotes_match(r#"a="\""#) && !quotes_match("\""));
    }
}
