//! Paths and query strings of `/orders`, as strict as the body.

use axum::extract::{Path, Query, rejection::PathRejection};
use http::Uri;
use proto::order::ListOrdersRequest;

use super::{
    field_errors::violation,
    request::{accepted_number, whole_number},
};
use crate::{limits, problem::Violation};

/// The id of `/orders/{order_id}`, which takes no parameters.
pub(super) fn order_id(path: Result<Path<String>, PathRejection>, uri: &Uri) -> Result<i64, Vec<Violation>> {
    let mut faults = unknown(&pairs(uri), &[]);
    // The path is refused where its percent-encoding gives no UTF-8.
    let id = path.ok().and_then(|Path(text)| whole_number(&text, &limits::ORDER_ID));
    if id.is_none() {
        faults.push(fault("order_id", accepted_number(&limits::ORDER_ID)));
    }
    id.filter(|_| faults.is_empty()).ok_or(faults)
}

/// Every parameter of an address that takes none.
pub(super) fn none(uri: &Uri) -> Vec<Violation> {
    unknown(&pairs(uri), &[])
}

/// The parameters of `GET /orders`. Without `user_id` the orders of `user` are meant, where there is one.
pub(super) fn list(uri: &Uri, user: Option<i64>) -> Result<ListOrdersRequest, Vec<Violation>> {
    const KNOWN: [&str; 3] = ["user_id", "page_size", "page_token"];
    let pairs = pairs(uri);
    let mut faults = unknown(&pairs, &KNOWN);
    let [user_id, page_size, page_token] = KNOWN.map(|name| {
        let mut values = pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            faults.push(fault(name, "must be given once".to_owned()));
        }
        value
    });
    let user_id = match user_id {
        Some(text) => whole_number(text, &limits::USER_ID).ok_or_else(|| accepted_number(&limits::USER_ID)),
        None => user.ok_or_else(|| format!("is missing; it {}", accepted_number(&limits::USER_ID))),
    };
    let user_id = user_id.map_err(|detail| faults.push(fault("user_id", detail))).unwrap_or_default();
    let page_size = page_size.map_or(Some(limits::PAGE_SIZE_DEFAULT), read_page_size).unwrap_or_else(|| {
        faults.push(fault("page_size", "must be a whole number, 0 or more".to_owned()));
        0
    });
    let page_token = page_token.unwrap_or_default().to_owned();
    if faults.is_empty() { Ok(ListOrdersRequest { user_id, page_size, page_token }) } else { Err(faults) }
}

/// 0 asks for the default, and more than the most for the most (AIP-158).
fn read_page_size(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match digits.then(|| text.parse().unwrap_or(i32::MAX))? {
        0 => Some(limits::PAGE_SIZE_DEFAULT),
        size => Some(size.min(limits::PAGE_SIZE_MAX)),
    }
}

/// The parameters in their order, duplicates included.
fn pairs(uri: &Uri) -> Vec<(String, String)> {
    // Any query is a list of pairs of texts.
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default()
}

fn unknown(pairs: &[(String, String)], known: &[&str]) -> Vec<Violation> {
    let detail = || match known {
        [] => "is not known here; this address takes no parameters".to_owned(),
        _ => format!("is not known here; known are {}", known.join(", ")),
    };
    let strangers = pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    strangers.take(limits::VIOLATIONS_MAX).map(|(name, _)| fault(name, detail())).collect()
}

fn fault(parameter: &str, detail: String) -> Violation {
    violation(parameter.to_owned(), None, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(query: &str) -> Result<ListOrdersRequest, Vec<String>> {
        list(&format!("/orders?{query}").parse().unwrap(), None)
            .map_err(|faults| faults.into_iter().map(|fault| fault.field).collect())
    }

    fn read_id(text: &str, query: &str) -> Result<i64, Vec<String>> {
        order_id(Ok(Path(text.to_owned())), &format!("/orders/1{query}").parse().unwrap())
            .map_err(|faults| faults.into_iter().map(|fault| fault.field).collect())
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
    fn a_list_needs_a_user_and_has_a_page_size() {
        let expected = |page_size, token: &str| {
            Ok(ListOrdersRequest { user_id: 7, page_size, page_token: token.to_owned() })
        };
        assert_eq!(listed("user_id=7"), expected(50, ""));
        assert_eq!(listed("user_id=7&page_size=0"), expected(50, ""));
        assert_eq!(listed("page_size=3&user_id=7&page_token=a%2Bb%3D"), expected(3, "a+b="));
        assert_eq!(listed("user_id=7&page_size=99999999999999999999"), expected(1000, ""));
    }

    #[test]
    fn the_user_of_a_token_is_meant_where_none_is_named() {
        let of = |query: &str| list(&format!("/orders{query}").parse().unwrap(), Some(7)).unwrap().user_id;
        assert_eq!([of(""), of("?page_size=3"), of("?user_id=7"), of("?user_id=8")], [7, 7, 7, 8]);
        assert!(list(&"/orders?user_id=0".parse().unwrap(), Some(7)).is_err());
    }

    #[test]
    fn every_bad_parameter_is_named_at_once() {
        let all = listed("page_size=-1&x=1&user_id=a&page_token=1&page_token=2").unwrap_err();
        assert_eq!(all, ["x", "page_token", "user_id", "page_size"]);
        assert_eq!(listed(""), Err(vec!["user_id".to_owned()]));
        for bad in ["", "0", "-1", "1.5", "9223372036854775808", "1&user_id=1"] {
            assert!(listed(&format!("user_id={bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_without_parameters_takes_none() {
        assert_eq!(none(&"/orders".parse().unwrap()), []);
        assert_eq!(none(&"/orders?a=1&b".parse().unwrap()).len(), 2);
    }
}
