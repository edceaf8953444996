//! Media types of a request: what it accepts, and the type of its body.

use http::{HeaderMap, header};

use crate::field_list;

/// Whether `Accept` admits JSON (RFC 9110, section 12.5.1).
///
/// `application/problem+json` counts as JSON. Invalid media ranges are ignored; without a valid one,
/// everything is accepted.
pub(crate) fn accepts_json(headers: &HeaderMap) -> bool {
    let is_range = |range: &str| range.contains('/') && (range == "*/*" || !range.starts_with('*'));
    let ranges: Vec<(&str, u16)> =
        field_list::weighted(headers, &header::ACCEPT).filter(|(range, _)| is_range(range)).collect();
    let accepted = |name: &str| {
        let named = ranges.iter().rfind(|(range, _)| range.eq_ignore_ascii_case(name));
        named.map(|(_, weight)| *weight > 0)
    };
    let json = ["application/json", "application/*", "*/*"].into_iter().find_map(accepted);
    json.unwrap_or(ranges.is_empty()) || accepted("application/problem+json") == Some(true)
}

/// Whether the body is uncompressed `application/json`.
///
/// Parameters are ignored: the type defines none, and `charset` has no effect (RFC 8259, section 11; RFC
/// 2045, section 5). A body in another encoding than UTF-8 is rejected when it is parsed.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    let essence = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json") && plain
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn json_is_accepted_by_name_by_wildcard_and_by_default() {
        for accept in [
            &[][..],
            &[""],
            &["application/json"],
            &["APPLICATION/JSON"],
            &["application/problem+json"],
            &["*/*"],
            &["application/*;q=0.1"],
            &["text/html", "application/json;q=0.5"],
            &["text/html, */*; q=0.01"],
            &["text/html;q=0, application/json;charset=utf-8"],
            &["*/*;q=0, application/json"],
            &["nonsense"],
            &["application/json;q="],
            &["application/json;q=2"],
            &["text/html;q=x"],
            &["*/json"],
        ] {
            assert!(accepts_json(&headers(header::ACCEPT, accept)), "{accept:?}");
        }
    }

    #[test]
    fn an_accept_that_excludes_json_is_detected() {
        for accept in [
            &["text/html"][..],
            &["text/*, image/png"],
            &["application/json;q=0"],
            &["application/json;q=0.000, */*"],
            &["application/*;q=0, */*;q=0.5"],
            &["*/*;q=0"],
            &["application/problem+json;q=0"],
            &["application/xml"],
            &["application/xml;x=\"a,application/json\""],
        ] {
            assert!(!accepts_json(&headers(header::ACCEPT, accept)), "{accept:?}");
        }
    }

    #[test]
    fn parameters_of_a_json_body_are_ignored() {
        for kind in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json;",
            "application/json ; charset=utf8",
            "application/json; charset=us-ascii",
            "application/json; charset=latin1",
            "application/json;odata.metadata=minimal",
            "application/json; version=\"1;2\"",
            "application/json; charset=\u{e9}",
        ] {
            assert!(is_json(&headers(header::CONTENT_TYPE, &[kind])), "{kind}");
        }
    }

    #[test]
    fn any_other_body_is_rejected() {
        for kinds in [
            &[][..],
            &[""],
            &["text/plain"],
            &["application/jsonl"],
            &["application/problem+json"],
            &["application/json, application/json"],
            &["application/x; application/json"],
            &["application/json", "application/json"],
        ] {
            assert!(!is_json(&headers(header::CONTENT_TYPE, kinds)), "{kinds:?}");
        }
        let mut compressed = headers(header::CONTENT_TYPE, &["application/json"]);
        compressed.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(!is_json(&compressed));
    }
}
