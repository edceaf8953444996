//! Unknown, duplicate and missing members.

use serde_json::Value;

use super::{EXAMPLE, InputFixture, errors, text, with};

/// The example with further members of the order, as JSON text.
fn and(members: &str) -> String {
    EXAMPLE.replacen("{\"user_id\":123", &format!("{{\"user_id\":123,{members}"), 1)
}

#[tokio::test]
async fn unknown_member_is_reported_with_an_escaped_pointer() {
    let fixture = InputFixture::start().await;
    for (name, field, pointer) in [
        ("x", "x", "#/x"),
        ("", "", "#/"),
        ("0", "0", "#/0"),
        ("-", "-", "#/-"),
        ("User_ID", "User_ID", "#/User_ID"),
        ("userId", "userId", "#/userId"),
        ("user_id ", "user_id ", "#/user_id%20"),
        ("currency_code", "currency_code", "#/currency_code"),
        ("idempotency_key", "idempotency_key", "#/idempotency_key"),
        ("a/b", "a/b", "#/a~1b"),
        ("m~n", "m~n", "#/m~0n"),
        ("~1", "~1", "#/~01"),
        ("c%d", "c%d", "#/c%25d"),
        ("e^f", "e^f", "#/e%5Ef"),
        ("k\\\"l", "k\"l", "#/k%22l"),
        ("i\\\\j", "i\\j", "#/i%5Cj"),
        ("größe", "größe", "#/gr%C3%B6%C3%9Fe"),
        ("日本", "日本", "#/%E6%97%A5%E6%9C%AC"),
        ("\\ud83e\\udde6", "🧦", "#/%F0%9F%A7%A6"),
        ("a\\nb", "a\nb", "#/a%0Ab"),
        ("\\u0000", "\u{0}", "#/%00"),
        ("__proto__", "__proto__", "#/__proto__"),
        (
            "$serde_json::private::RawValue",
            "$serde_json::private::RawValue",
            "#/$serde_json::private::RawValue",
        ),
    ] {
        for value in ["1", "null", "{\"x\":{\"y\":[]}}"] {
            let problem =
                fixture.assert_rejected(and(&format!("\"{name}\":{value}")), &[(field, pointer)]).await;
            assert!(text(&problem["errors"][0], "detail").starts_with("is not known here"), "{problem:#}");
        }
    }
    let item = EXAMPLE.replace("\"quantity\":1", "\"quantity\":1,\"a/b\":1,\"price\":1");
    let expected =
        [("order_items[0].a/b", "#/order_items/0/a~1b"), ("order_items[0].price", "#/order_items/0/price")];
    fixture.assert_rejected(item, &expected).await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn duplicate_member_is_reported_even_when_escaped() {
    let fixture = InputFixture::start().await;
    for (further, members) in [
        ("\"user_id\":123", &[("user_id", "#/user_id")][..]),
        ("\"user\\u005fid\":124", &[("user_id", "#/user_id")]),
        ("\"\\u0075ser_id\":null,\"user_id\":[]", &[("user_id", "#/user_id"); 2]),
        ("\"order_items\":[]", &[("order_items", "#/order_items"); 2]),
        ("\"currency\":\"USD\",\"currency\":\"USD\"", &[("currency_code", "#/currency")]),
        ("\"x\":1,\"x\":1", &[("x", "#/x"); 2]),
    ] {
        fixture.assert_rejected(and(further), members).await;
    }
    for member in ["product_code", "unit_price", "quantity"] {
        let item = r#"{"product_code":"a","unit_price":1,"quantity":1"#;
        let body = with("order_items", &format!(r#"[{item}}},{item},"{member}":1}}]"#));
        let (field, pointer) = (format!("order_items[1].{member}"), format!("#/order_items/1/{member}"));
        let problem = fixture.assert_rejected(body, &[(&field, &pointer)]).await;
        assert_eq!(problem["errors"][0]["detail"], "must be given once");
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn missing_member_points_to_its_parent_object() {
    let fixture = InputFixture::start().await;
    let no_items = [("order_items", "#")];
    fixture.assert_rejected("{}", &[("user_id", "#"), ("order_items", "#")]).await;
    fixture.assert_rejected(r#"{"user_id":123}"#, &no_items).await;
    fixture.assert_rejected(r#"{"user_id":123,"currency":"USD"}"#, &no_items).await;
    fixture.assert_rejected(EXAMPLE.replace("\"user_id\":123,", ""), &[("user_id", "#")]).await;
    fixture
        .assert_rejected(EXAMPLE.replace("user_id", "user-id"), &[("user-id", "#/user-id"), ("user_id", "#")])
        .await;
    let lacking = |index: usize| {
        ["product_code", "unit_price", "quantity"]
            .map(|member| (format!("order_items[{index}].{member}"), format!("#/order_items/{index}")))
    };
    let [all, second] = [lacking(0), lacking(1)];
    let named = |expected: &[(String, String)]| {
        expected.iter().map(|(f, p)| (f.clone(), p.clone())).collect::<Vec<_>>()
    };
    for (items, expected) in [
        ("[{}]", named(&all)),
        ("[{},{}]", [named(&all), named(&second)].concat()),
        (r#"[{"product_code":"a"}]"#, named(&all[1..])),
        (r#"[{"unit_price":1,"quantity":1}]"#, named(&all[..1])),
    ] {
        let expected: Vec<(&str, &str)> = expected.iter().map(|(f, p)| (f.as_str(), p.as_str())).collect();
        let problem = fixture.assert_rejected(with("order_items", items), &expected).await;
        assert!(errors(&problem).all(|error| text(error, "detail").starts_with("is missing")), "{problem:#}");
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn one_response_reports_every_error() {
    let fixture = InputFixture::start().await;
    let body = r#"{"user_id":0,"a/b":1,"currency":"usd","user_id":2,"order_items":[
        {"unit_price":-0.01,"quantity":2147483648,"product_code":"","product_code":"b"},
        7,
        {"product_code":"a\u0000","unit_price":"NaN","quantity":"1","x":{}},
        {"product_code":"a","unit_price":1,"quantity":1},
        {}]}"#;
    let expected = [
        ("a/b", "#/a~1b"),
        ("user_id", "#/user_id"),
        ("user_id", "#/user_id"),
        ("currency_code", "#/currency"),
        ("order_items[0].product_code", "#/order_items/0/product_code"),
        ("order_items[0].product_code", "#/order_items/0/product_code"),
        ("order_items[0].unit_price", "#/order_items/0/unit_price"),
        ("order_items[0].quantity", "#/order_items/0/quantity"),
        ("order_items[1]", "#/order_items/1"),
        ("order_items[2].x", "#/order_items/2/x"),
        ("order_items[2].product_code", "#/order_items/2/product_code"),
        ("order_items[2].unit_price", "#/order_items/2/unit_price"),
        ("order_items[2].quantity", "#/order_items/2/quantity"),
        ("order_items[4].product_code", "#/order_items/4"),
        ("order_items[4].unit_price", "#/order_items/4"),
        ("order_items[4].quantity", "#/order_items/4"),
    ];
    fixture.assert_rejected(body, &expected).await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn errors_over_the_limit_are_truncated() {
    let fixture = InputFixture::start().await;
    for (unknown, truncated) in [(98, Value::Null), (99, Value::Bool(true)), (6_000, Value::Bool(true))] {
        let members: Vec<String> = (0..unknown).map(|i| format!("\"{i}\":0")).collect();
        let response = fixture.client.post(format!("{{{}}}", members.join(","))).await;
        assert_eq!(response.status, 400);
        // The two missing members count as well.
        let problem = response.problem();
        assert_eq!((errors(&problem).count(), &problem["errors_truncated"]), (100, &truncated), "{unknown}");
    }
    fixture.assert_no_order_created().await;
}
