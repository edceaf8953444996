//! Parses the paths and query strings of `/orders`, as strictly as the body.

use axum::extract::{Path, Query, rejection::PathRejection};
use http::Uri;
use proto::order::ListOrdersRequest;

use super::request::{accepted_number, whole_number};
use crate::{limits, problem::Violation};

/// The id in `/orders/{order_id}`. Rejects query parameters.
pub(super) fn order_id(path: Result<Path<String>, PathRejection>, uri: &Uri) -> Result<i64, Vec<Violation>> {
    let mut violations = unknown(&pairs(uri), &[]);
    // Axum rejects a path whose percent-encoding is not UTF-8.
    let id = path.ok().and_then(|Path(text)| whole_number(&text, &limits::ORDER_ID));
    if id.is_none() {
        violations.push(violation("order_id", accepted_number(&limits::ORDER_ID)));
    }
    id.filter(|_| violations.is_empty()).ok_or(violations)
}

/// A violation for each parameter, of an address that takes none.
pub(super) fn none(uri: &Uri) -> Vec<Violation> {
    unknown(&pairs(uri), &[])
}

/// The parameters of `GET /orders`. `user_id` defaults to `user`, the user of the token.
pub(super) fn list(uri: &Uri, user: Option<i64>) -> Result<ListOrdersRequest, Vec<Violation>> {
    const KNOWN: [&str; 3] = ["user_id", "page_size", "page_token"];
    let pairs = pairs(uri);
    let mut violations = unknown(&pairs, &KNOWN);
    let [user_id, page_size, page_token] = KNOWN.map(|name| {
        let mut values = pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            violations.push(violation(name, "must be given once".to_owned()));
        }
        value
    });
    let user_id = match user_id {
        Some(text) => whole_number(text, &limits::USER_ID).ok_or_else(|| accepted_number(&limits::USER_ID)),
        None => user.ok_or_else(|| format!("is missing; it {}", accepted_number(&limits::USER_ID))),
    };
    let user_id = user_id.map_err(|detail| violations.push(violation("user_id", detail))).unwrap_or_default();
    let page_size = page_size.map_or(Some(limits::PAGE_SIZE_DEFAULT), parse_page_size).unwrap_or_else(|| {
        violations.push(violation("page_size", "must be a whole number, 0 or more".to_owned()));
        0
    });
    let page_token = page_token.unwrap_or_default().to_owned();
    if violations.is_empty() {
        Ok(ListOrdersRequest { user_id, page_size, page_token })
    } else {
        Err(violations)
    }
}

/// 0 means the default, and a size above the maximum means the maximum (AIP-158).
fn parse_page_size(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match digits.then(|| text.parse().unwrap_or(i32::MAX))? {
        0 => Some(limits::PAGE_SIZE_DEFAULT),
        size => Some(size.min(limits::PAGE_SIZE_MAX)),
    }
}

/// The parameters in order, including duplicates.
fn pairs(uri: &Uri) -> Vec<(String, String)> {
    // Cannot fail: any query parses as pairs of texts.
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default()
}

fn unknown(pairs: &[(String, String)], known: &[&str]) -> Vec<Violation> {
    let detail = || match known {
        [] => "is not known here; this address takes no parameters".to_owned(),
        _ => format!("is not known here; known are {}", known.join(", ")),
    };
    let unknown = pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    // One more than a problem lists shows that there are more.
    unknown.take(limits::VIOLATIONS_MAX + 1).map(|(name, _)| violation(name, detail())).collect()
}

fn violation(parameter: &str, detail: String) -> Violation {
    Violation::new(parameter, None, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(query: &str) -> Result<ListOrdersRequest, Vec<String>> {
        list(&format!("/orders?{query}").parse().unwrap(), None)
            .map_err(|violations| violations.into_iter().map(|violation| violation.field).collect())
    }

    fn read_id(text: &str, query: &str) -> Result<i64, Vec<String>> {
        order_id(Ok(Path(text.to_owned())), &format!("/orders/1{query}").parse().unwrap())
            .map_err(|violations| violations.into_iter().map(|violation| violation.field).collect())
    }

    #[test]
    fn an_order_id_is_a_whole_number_below_2_to_the_53() {
        assert_eq!(read_id("115458048000000", ""), Ok(115_458_048_000_000));
        assert_eq!(read_id("9007199254740991", ""), Ok((1 << 53) - 1));
        for bad in
            ["abc", "0", "-1", "+1", "01", "1.0", "1e3", " 1", "9007199254740992", "99999999999999999999"]
        {
            assert_eq!(read_id(bad, ""), Err(vec!["order_id".to_owned()]), "{bad}");
        }
        assert_eq!(read_id("x", "?user_id=1"), Err(vec!["user_id".to_owned(), "order_id".to_owned()]));
    }

    #[test]
    fn a_list_requires_a_user_and_defaults_its_page_size() {
        let expected = |page_size, token: &str| {
            Ok(ListOrdersRequest { user_id: 7, page_size, page_token: token.to_owned() })
        };
        assert_eq!(listed("user_id=7"), expected(50, ""));
        assert_eq!(listed("user_id=7&page_size=0"), expected(50, ""));
        assert_eq!(listed("page_size=3&user_id=7&page_token=a%2Bb%3D"), expected(3, "a+b="));
        assert_eq!(listed("user_id=7&page_size=99999999999999999999"), expected(1000, ""));
    }

    #[test]
    fn user_id_defaults_to_the_user_of_the_token() {
        let of = |query: &str| list(&format!("/orders{query}").parse().unwrap(), Some(7)).unwrap().user_id;
        assert_eq!([of(""), of("?page_size=3"), of("?user_id=7"), of("?user_id=8")], [7, 7, 7, 8]);
        assert!(list(&"/orders?user_id=0".parse().unwrap(), Some(7)).is_err());
    }

    #[test]
    fn all_invalid_parameters_are_reported_at_once() {
        let all = listed("page_size=-1&x=1&user_id=a&page_token=1&page_token=2").unwrap_err();
        assert_eq!(all, ["x", "page_token", "user_id", "page_size"]);
        assert_eq!(listed(""), Err(vec!["user_id".to_owned()]));
        assert!(listed("user_id=9007199254740991").is_ok());
        for bad in ["", "0", "-1", "1.5", "9007199254740992", "9223372036854775808", "1&user_id=1"] {
            assert!(listed(&format!("user_id={bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_rejected_where_none_are_accepted() {
        assert_eq!(none(&"/orders".parse().unwrap()), []);
        assert_eq!(none(&"/orders?a=1&b".parse().unwrap()).len(), 2);
    }
}
