//! Invalid values of known members.

use super::{InputFixture, text, with};

/// Values separated by white space, as JSON text.
const WRONG_TYPES: &str = "null true false [] {} [1]";
const NOT_POSITIVE_INTEGERS: &str =
    "0 -0 -1 1.0 1.5 1e2 1E0 10e-1 1e400 9223372036854775808 -9223372036854775809
    1111111111111111111111111111111111111111";

async fn assert_each_rejected<'v>(
    fixture: &InputFixture,
    member: &str,
    (field, pointer): (&str, &str),
    values: impl IntoIterator<Item = &'v str>,
) {
    for value in values {
        let problem = fixture.assert_rejected(with(member, value), &[(field, pointer)]).await;
        let detail = text(&problem["errors"][0], "detail");
        assert!(detail.starts_with("must "), "{member} {value}: {detail}");
    }
}

#[tokio::test]
async fn user_id_is_an_integer_from_1_to_2_to_the_53_less_1() {
    let fixture = InputFixture::start().await;
    let values = [
        WRONG_TYPES,
        NOT_POSITIVE_INTEGERS,
        r#""123" "" 9007199254740992 9007199254740993 18446744073709551616"#,
    ]
    .join(" ");
    assert_each_rejected(&fixture, "user_id", ("user_id", "#/user_id"), values.split_whitespace()).await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn quantity_is_an_integer_from_1_to_a_million() {
    let fixture = InputFixture::start().await;
    let own = r#"1000001 2147483647 2147483648 4294967297 9007199254740993 "1" 0.5 0.0"#;
    let values = [WRONG_TYPES, NOT_POSITIVE_INTEGERS, own].join(" ");
    let error = ("order_items[0].quantity", "#/order_items/0/quantity");
    assert_each_rejected(&fixture, "quantity", error, values.split_whitespace()).await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn price_is_an_exact_decimal_from_0() {
    let fixture = InputFixture::start().await;
    let numbers = "-0.01 -1 -1e400 0.001 0.129 1e-3 1e-400 5e-324 1e400 1.7976931348623157e308
        1111111111111111111111111111111111111111 0.1111111111111111111111111111111111111111
        90071992547409.92 9007199254740993 1e999999999999999999999";
    let strings = r#""-0.01" "0.001" "1e400" "" "0.12\n" "0,12" "$0.12" "1_000" "+1" ".5" "5." "00.1" "0x1" "1e"
        "NaN" "-NaN" "Infinity" "１" "\u0660" "0.12\u0000" "\ud800" "null""#;
    let with_spaces = ["\" \"", "\"0.12 \"", "\" 0.12\"", "\"0.12 USD\"", "\"1 000\""];
    let values =
        [WRONG_TYPES, numbers, strings].into_iter().flat_map(str::split_whitespace).chain(with_spaces);
    let error = ("order_items[0].unit_price", "#/order_items/0/unit_price");
    assert_each_rejected(&fixture, "unit_price", error, values).await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn price_has_no_more_decimals_than_its_currency() {
    let fixture = InputFixture::start().await;
    for (currency, price) in
        [("JPY", "0.1"), ("JPY", "\"1.5\""), ("JPY", "1e-1"), ("KWD", "0.0001"), ("EUR", "0.001")]
    {
        let body = with("unit_price", price).replacen('{', &format!("{{\"currency\":\"{currency}\","), 1);
        let problem = fixture
            .assert_rejected(body, &[("order_items[0].unit_price", "#/order_items/0/unit_price")])
            .await;
        assert!(text(&problem["errors"][0], "detail").contains(currency), "{problem:#}");
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn product_code_is_1_to_100_characters_without_control_characters() {
    let fixture = InputFixture::start().await;
    let long = [format!("\"{}\"", "x".repeat(101)), format!("\"{}\"", "🧦".repeat(101))];
    let own = r#"0 1.5 "" "\u0000" "a\u0000b" "\n" "a\tb" "\u001b[0m" "\u007f" "\u0085" "\ud800" "\udc00"
        "\ud800a" "\udc00\ud800""#;
    let values = [WRONG_TYPES, own].into_iter().flat_map(str::split_whitespace);
    let values = values.chain(long.iter().map(String::as_str));
    let error = ("order_items[0].product_code", "#/order_items/0/product_code");
    assert_each_rejected(&fixture, "product_code", error, values).await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn currency_is_the_iso_4217_code_of_a_currency_in_use() {
    let fixture = InputFixture::start().await;
    let own = r#"840 "" "usd" "Usd" "US" "USDX" "840" "XAU" "XXX" "XTS" "ZZZ" "ＵＳＤ" "US\u0000" "\ud800" ["USD"]
        "HRK" "BGN" "SLL" "ZWL" "CUC" "ANG" "CLF" "UYW" "USN" "CHE" "XAD" "XDR" "XUA"
        "#;
    let values = [WRONG_TYPES, own].into_iter().flat_map(str::split_whitespace);
    let values = values.chain(["\" USD\"", "\"USD \""]);
    assert_each_rejected(&fixture, "currency", ("currency_code", "#/currency"), values).await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn order_items_is_an_array_of_1_to_100_objects() {
    let fixture = InputFixture::start().await;
    let items = ("order_items", "#/order_items");
    let one = r#"{"product_code":"a","unit_price":0.01,"quantity":1}"#;
    let many = |count: usize| format!("[{}]", vec![one; count].join(","));
    for value in ["[]", "null", "true", "0", "\"[]\"", "{}", one, &many(101), &many(1000)] {
        fixture.assert_rejected(with("order_items", value), &[items]).await;
    }
    for value in ["null", "[]", "1", "\"a\"", "false", &many(1)] {
        fixture
            .assert_rejected(
                with("order_items", &format!("[{value}]")),
                &[("order_items[0]", "#/order_items/0")],
            )
            .await;
    }
    // The first 100 items are validated even if there are too many.
    let last_of_101 = many(101).replacen(one, "7", 1).replace(&format!("{one}]"), "8]");
    fixture
        .assert_rejected(with("order_items", &last_of_101), &[items, ("order_items[0]", "#/order_items/0")])
        .await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn total_is_above_0_and_below_2_to_the_53_minor_units() {
    let fixture = InputFixture::start().await;
    let item = |price: &str, quantity: u32| {
        format!(r#"{{"product_code":"a","unit_price":{price},"quantity":{quantity}}}"#)
    };
    let (most, cent) = ("90071992547409.91", item("0.01", 1));
    for items in [
        item("0", 1),
        item("-0", 1),
        item("0.00", 1_000_000),
        item("\"0\"", 1),
        item("0e999999999999", 1),
        [item("0", 1), item("0.0", 2)].join(","),
        item(most, 2),
        item(most, 1_000_000),
        [item(most, 1), cent.clone()].join(","),
        [cent, item(most, 1)].join(","),
        vec![item(most, 1_000_000); 100].join(","),
        // A float sum would be below the limit.
        [item("90071992547409.90", 1), item("0.02", 1)].join(","),
    ] {
        let body = with("order_items", &format!("[{items}]"));
        let problem = fixture.assert_rejected(body, &[("order_items", "#/order_items")]).await;
        assert!(text(&problem["errors"][0], "detail").contains("total"), "{problem:#}");
    }
    fixture.assert_no_order_created().await;
}
