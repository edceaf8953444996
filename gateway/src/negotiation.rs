//! Media types of a request: what it accepts, and the type of its body.

use http::{HeaderMap, header};

/// Whether `Accept` admits JSON (RFC 9110, section 12.5.1).
///
/// `application/problem+json` counts as JSON. Invalid media ranges are ignored; without a valid one,
/// everything is accepted.
pub(crate) fn accepts_json(headers: &HeaderMap) -> bool {
    let ranges: Vec<Range> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(Range::parse)
        .collect();
    let wanted = |scope| ranges.iter().rfind(|range| range.scope == scope).map(|range| range.wanted);
    let json = [Scope::Json, Scope::Application, Scope::Anything]
        .into_iter()
        .find_map(wanted)
        .unwrap_or(ranges.is_empty());
    json || wanted(Scope::Problem) == Some(true)
}

/// Which of the two offered types a media range covers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Json,
    Problem,
    Application,
    Anything,
    Neither,
}

struct Range {
    scope: Scope,
    wanted: bool,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let scope = match (kind.to_ascii_lowercase().as_str(), subtype.to_ascii_lowercase().as_str()) {
            ("application", "json") => Scope::Json,
            ("application", "problem+json") => Scope::Problem,
            ("application", "*") => Scope::Application,
            ("*", "*") => Scope::Anything,
            _ => Scope::Neither,
        };
        let quality = parts
            .find_map(|parameter| parameter.split_once('=').filter(|(n, _)| n.eq_ignore_ascii_case("q")));
        let rejected = quality.is_some_and(|(_, value)| value.bytes().all(|b| matches!(b, b'0' | b'.')));
        Some(Self { scope, wanted: !rejected })
    }
}

/// Whether the body is uncompressed `application/json`, in UTF-8 if it names a charset.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next().and_then(|value| value.to_str().ok()), kinds.next()) else {
        return false;
    };
    // Empty parameters are ignored (RFC 9110, section 5.6.6).
    let mut parts = kind.split(';').map(str::trim).filter(|part| !part.is_empty());
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    json && plain && parts.all(is_utf8_charset)
}

fn is_utf8_charset(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
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
        ] {
            assert!(!accepts_json(&headers(header::ACCEPT, accept)), "{accept:?}");
        }
    }

    #[test]
    fn a_json_body_may_name_its_charset() {
        for kind in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json;",
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
            &["application/json; charset=latin1"],
            &["application/json; version=1"],
            &["application/json", "application/json"],
        ] {
            assert!(!is_json(&headers(header::CONTENT_TYPE, kinds)), "{kinds:?}");
        }
        let mut compressed = headers(header::CONTENT_TYPE, &["application/json"]);
        compressed.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(!is_json(&compressed));
    }
}
