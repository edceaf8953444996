//! Valid and invalid bodies.

use super::*;

/// Parses a body with a price for each item.
fn parse(body: &[u8]) -> Result<NewOrder<'_>, Vec<Violation>> {
    super::parse(body, UnitPrice::Required)
}

const GOOD: &str =
    r#"{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}"#;

fn item(member: &str, value: &str) -> String {
    let mut members = [("product_code", "\"sku1\""), ("unit_price", "0.12"), ("quantity", "1")];
    members.iter_mut().filter(|(name, _)| *name == member).for_each(|(_, v)| *v = value);
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn with_items(items: &str) -> String {
    format!(r#"{{"user_id":123,"order_items":[{items}]}}"#)
}

/// Each error as field and pointer.
fn errors(body: &str) -> Vec<(String, String)> {
    let path = |v: Violation| (v.field, v.pointer.unwrap_or_default());
    parse(body.as_bytes()).map(drop).unwrap_err().into_iter().map(path).collect()
}

fn only_error(body: &str) -> Violation {
    let mut found = parse(body.as_bytes()).map(drop).unwrap_err();
    assert_eq!(found.len(), 1, "{body}: {found:?}");
    found.remove(0)
}

#[test]
fn a_valid_body_becomes_a_request_of_the_contract() {
    let order = parse(GOOD.as_bytes()).unwrap();
    assert_eq!((order.user_id, order.total.unwrap().minor(), order.currency), (123, 12, Currency::USD));
    assert_eq!(order.shape(), BodyShape { items: 1, ..BodyShape::default() });
    let proto = order.to_proto("k".to_owned());
    assert_eq!(
        (proto.user_id, proto.currency_code.as_str(), proto.idempotency_key.as_str()),
        (123, "USD", "k")
    );
    let item = &proto.order_items[0];
    assert_eq!((item.product_code.as_str(), item.unit_price, item.quantity), ("sku1", 0.12, 1));
    let price = google_type::Money { currency_code: "USD".to_owned(), units: 0, nanos: 120_000_000 };
    assert_eq!(item.price, Some(price));
}

#[test]
fn a_price_is_parsed_exactly_from_its_text() {
    for (text, minor) in [
        ("0.12", 12),
        ("\"0.12\"", 12),
        ("1.2e-1", 12),
        ("12", 1200),
        ("0.1200000", 12),
        ("\"1E2\"", 10_000),
        ("90071992547409.91", (1 << 53) - 1),
    ] {
        let body = with_items(&item("unit_price", text));
        assert_eq!(parse(body.as_bytes()).unwrap().total.unwrap().minor(), minor, "{text}");
    }
}

#[test]
fn a_price_is_optional_with_a_price_list() {
    let without_price = r#"{"product_code":"a","quantity":2}"#;
    let error = only_error(&with_items(without_price));
    let location = (error.field.as_str(), error.pointer.as_deref());
    assert_eq!(location, ("order_items[0].unit_price", Some("#/order_items/0")));

    let optional = |body: &str| {
        super::parse(body.as_bytes(), UnitPrice::Optional)
            .map(|order| (order.shape(), order.to_proto(String::new())))
    };
    let (shape, proto) = optional(&with_items(&format!("{without_price},{}", item("", "")))).unwrap();
    assert_eq!(shape, BodyShape { currency: false, items: 2, unpriced: vec![0] });
    let [listed, named] = proto.order_items.try_into().unwrap();
    assert!(listed.price_from_list && listed.unit_price.is_nan() && listed.price.is_none());
    assert!(!named.price_from_list && named.unit_price == 0.12 && named.price.is_some());
    // The price list may make the total positive.
    assert!(optional(&with_items(&format!("{without_price},{}", item("unit_price", "0")))).is_ok());
    for (items, pointer) in [
        (item("unit_price", "null"), "#/order_items/0/unit_price"),
        (item("unit_price", "0"), "#/order_items"),
        (
            format!("{without_price},{}", item("unit_price", "90071992547409.92")),
            "#/order_items/1/unit_price",
        ),
        (format!("{without_price},{0},{0}", item("unit_price", "90071992547409.91")), "#/order_items"),
    ] {
        let found = optional(&with_items(&items)).unwrap_err();
        assert_eq!((found.len(), found[0].pointer.as_deref()), (1, Some(pointer)), "{items}");
    }
}

#[test]
fn the_currency_limits_the_decimals() {
    let body = |currency: &str, price: &str| {
        format!(r#"{{"currency":"{currency}","user_id":1,"order_items":[{}]}}"#, item("unit_price", price))
    };
    assert_eq!(parse(body("JPY", "12").as_bytes()).unwrap().total.unwrap().minor(), 12);
    assert_eq!(parse(body("KWD", "0.001").as_bytes()).unwrap().total.unwrap().minor(), 1);
    assert!(parse(body("KWD", "0.001").as_bytes()).unwrap().shape().currency);
    assert!(only_error(&body("JPY", "0.1")).detail.contains("JPY"));
}

#[test]
fn a_price_may_be_zero_and_a_total_may_not() {
    let free = item("unit_price", "0");
    assert!(parse(with_items(&format!("{free},{}", item("", ""))).as_bytes()).is_ok());
    let error = only_error(&with_items(&free));
    assert_eq!((error.field.as_str(), error.pointer.as_deref()), ("order_items", Some("#/order_items")));
}

#[test]
fn every_invalid_value_of_an_item_is_reported() {
    let long = format!("\"{}\"", "x".repeat(101));
    let digits = "1".repeat(40);
    for (member, values) in [
        (
            "product_code",
            vec!["\"\"", "1", "null", "\"a\\u0000b\"", "\"\\n\"", "\"\\u0085\"", "\"\\ud800\"", &long],
        ),
        (
            "unit_price",
            vec![
                "-0.01",
                "0.001",
                "1e400",
                "1e-400",
                &digits,
                "\"\"",
                "\" 1\"",
                "\"NaN\"",
                "\"1,5\"",
                "\"0x1\"",
                "null",
                "true",
                "[]",
                "{}",
                "\"-1\"",
                "\"\\ud800\"",
                "90071992547409.92",
            ],
        ),
        (
            "quantity",
            vec![
                "0",
                "-1",
                "-0",
                "1.0",
                "1e0",
                "1000001",
                "2147483648",
                "9223372036854775808",
                "\"1\"",
                "null",
                "[1]",
            ],
        ),
    ] {
        for value in values {
            let error = only_error(&with_items(&item(member, value)));
            assert_eq!(error.field, format!("order_items[0].{member}"), "{value}");
            assert_eq!(error.pointer.unwrap(), format!("#/order_items/0/{member}"), "{value}");
            assert!(error.detail.starts_with("must "), "{}", error.detail);
        }
    }
}

#[test]
fn every_invalid_user_id_is_reported() {
    let above = ["9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808"];
    let others = ["0", "-1", "1.0", "1e3", "\"123\"", "null", "true", "[]", "{}"];
    for value in above.into_iter().chain(others) {
        let error = only_error(&GOOD.replace("123", value));
        assert!(error.detail.starts_with("must be a whole number from 1 to 9007199254740991"), "{value}");
        assert_eq!(
            (error.field.as_str(), error.pointer.as_deref()),
            ("user_id", Some("#/user_id")),
            "{value}"
        );
    }
    assert!(parse(GOOD.replace("123", "9007199254740991").as_bytes()).is_ok());
}

#[test]
fn an_invalid_currency_is_reported_and_prices_are_still_checked() {
    for value in ["\"usd\"", "\"\"", "\"XAU\"", "\"ZZZ\"", "null", "840"] {
        let body = GOOD.replace("{\"user_id\"", &format!("{{\"currency\":{value},\"user_id\""));
        let error = only_error(&body);
        assert_eq!((error.field.as_str(), error.pointer.as_deref()), ("currency_code", Some("#/currency")));
    }
    let both = |price| {
        errors(&format!(r#"{{"currency":"x","user_id":1,"order_items":[{}]}}"#, item("unit_price", price)))
            .len()
    };
    assert_eq!([both("-1"), both("\"x\""), both("0.0001"), both("1e300")], [2, 2, 1, 1]);
}

#[test]
fn all_errors_are_reported_at_once() {
    let body = r#"{"user_id":0,"a/b":1,"currency":"?","user_id":2,"order_items":[{"unit_price":-1,"quantity":0,
        "product_code":"a","product_code":"b"},7,{"x":{}}]}"#;
    let found = errors(body);
    let expected = [
        ("a/b", "#/a~1b"),
        ("user_id", "#/user_id"),
        ("user_id", "#/user_id"),
        ("currency_code", "#/currency"),
        ("order_items[0].product_code", "#/order_items/0/product_code"),
        ("order_items[0].unit_price", "#/order_items/0/unit_price"),
        ("order_items[0].quantity", "#/order_items/0/quantity"),
        ("order_items[1]", "#/order_items/1"),
        ("order_items[2].x", "#/order_items/2/x"),
        ("order_items[2].product_code", "#/order_items/2"),
        ("order_items[2].unit_price", "#/order_items/2"),
        ("order_items[2].quantity", "#/order_items/2"),
    ];
    assert_eq!(found, expected.map(|(field, pointer)| (field.to_owned(), pointer.to_owned())));
}

#[test]
fn a_missing_member_points_to_the_object_that_lacks_it() {
    assert_eq!(
        errors("{}"),
        [("user_id", "#"), ("order_items", "#")].map(|(f, p)| (f.to_owned(), p.to_owned()))
    );
}

#[test]
fn the_number_of_items_is_bounded() {
    let many = |count: usize| with_items(&vec![item("", ""); count].join(","));
    assert!(parse(many(100).as_bytes()).is_ok());
    for body in [many(0), many(101)] {
        assert_eq!(only_error(&body).field, "order_items");
    }
    for value in ["null", "{}", "\"\"", "1"] {
        let body = format!(r#"{{"user_id":1,"order_items":{value}}}"#);
        assert_eq!(only_error(&body).pointer.as_deref(), Some("#/order_items"));
    }
}

#[test]
fn a_total_beyond_the_largest_amount_is_rejected() {
    let expensive = r#"{"product_code":"a","unit_price":90071992547409.91,"quantity":1}"#;
    let million = expensive.replace("\"quantity\":1", "\"quantity\":1000000");
    for items in [format!("{expensive},{}", item("", "")), million] {
        let error = only_error(&with_items(&items));
        assert_eq!(error.pointer.as_deref(), Some("#/order_items"));
        assert!(error.detail.contains("2^53"));
    }
}

#[test]
fn a_body_that_is_no_object_is_one_error_at_its_root() {
    for body in ["", "[]", "null", "{", "{}}", "NaN", &"[".repeat(60_000), &"{\"a\":".repeat(10_000)] {
        let error = only_error(body);
        assert_eq!((error.field.as_str(), error.pointer.as_deref()), ("body", Some("#")));
    }
    assert!(parse(b"{\"\xff\":1}").is_err());
}

#[test]
fn the_number_of_errors_is_bounded() {
    let members: Vec<String> = (0..8_000).map(|i| format!("\"{i}\":0")).collect();
    let found = parse(format!("{{{}}}", members.join(",")).as_bytes()).map(drop).unwrap_err();
    assert_eq!(found.len(), limits::VIOLATIONS_MAX + 1);
}
