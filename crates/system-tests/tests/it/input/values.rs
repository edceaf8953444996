//! Values of a known member that it cannot have.

use super::{Guarded, text, with};

const WRONG_TYPES: [&str; 6] = ["null", "true", "false", "[]", "{}", "[1]"];
const NO_WHOLE_NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "-1",
    "1.0",
    "1.5",
    "1e2",
    "1E0",
    "10e-1",
    "1e400",
    "9223372036854775808",
    "-9223372036854775809",
    "1111111111111111111111111111111111111111",
];

async fn each_is_refused(guarded: &Guarded, member: &str, field: &str, pointer: &str, values: &[&str]) {
    for value in values {
        let problem = guarded.refuses(with(member, value), &[(field, pointer)]).await;
        let detail = text(&problem["errors"][0], "detail");
        assert!(detail.starts_with("must "), "{member} {value}: {detail}");
    }
}

#[tokio::test]
async fn a_user_id_is_a_whole_number_from_1_to_2_to_the_63_less_1() {
    let guarded = Guarded::start().await;
    let values = [&WRONG_TYPES[..], &NO_WHOLE_NUMBERS, &["\"123\"", "\"\"", "18446744073709551616"]].concat();
    each_is_refused(&guarded, "user_id", "user_id", "#/user_id", &values).await;
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn a_quantity_is_a_whole_number_from_1_to_a_million() {
    let guarded = Guarded::start().await;
    let own =
        ["1000001", "2147483647", "2147483648", "4294967297", "9007199254740993", "\"1\"", "0.5", "0.0"];
    let values = [&WRONG_TYPES[..], &NO_WHOLE_NUMBERS, &own].concat();
    each_is_refused(&guarded, "quantity", "order_items[0].quantity", "#/order_items/0/quantity", &values)
        .await;
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn a_price_is_an_exact_decimal_from_0() {
    let guarded = Guarded::start().await;
    let own = [
        "-0.01",
        "-1",
        "-1e400",
        "0.001",
        "0.129",
        "1e-3",
        "1e-400",
        "5e-324",
        "1e400",
        "1.7976931348623157e308",
        "1111111111111111111111111111111111111111",
        "0.1111111111111111111111111111111111111111",
        "90071992547409.92",
        "9007199254740993",
        "1e999999999999999999999",
        "\"-0.01\"",
        "\"0.001\"",
        "\"1e400\"",
        "\"\"",
        "\" \"",
        "\"0.12 \"",
        "\" 0.12\"",
        "\"0.12\\n\"",
        "\"0,12\"",
        "\"$0.12\"",
        "\"0.12 USD\"",
        "\"1 000\"",
        "\"1_000\"",
        "\"+1\"",
        "\".5\"",
        "\"5.\"",
        "\"00.1\"",
        "\"0x1\"",
        "\"1e\"",
        "\"NaN\"",
        "\"-NaN\"",
        "\"Infinity\"",
        "\"１\"",
        "\"\\u0660\"",
        "\"0.12\\u0000\"",
        "\"\\ud800\"",
        "\"null\"",
    ];
    let values = [&WRONG_TYPES[..], &own].concat();
    each_is_refused(
        &guarded,
        "unit_price",
        "order_items[0].unit_price",
        "#/order_items/0/unit_price",
        &values,
    )
    .await;
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn a_price_has_no_more_decimals_than_its_currency() {
    let guarded = Guarded::start().await;
    for (currency, price) in [
        ("JPY", "0.1"),
        ("JPY", "\"1.5\""),
        ("JPY", "1e-1"),
        ("KWD", "0.0001"),
        ("EUR", "0.001"),
        ("CLF", "0.00001"),
    ] {
        let body = with("unit_price", price).replacen('{', &format!("{{\"currency\":\"{currency}\","), 1);
        let problem =
            guarded.refuses(body, &[("order_items[0].unit_price", "#/order_items/0/unit_price")]).await;
        assert!(text(&problem["errors"][0], "detail").contains(currency), "{problem:#}");
    }
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn a_product_code_is_1_to_100_characters_without_control_characters() {
    let guarded = Guarded::start().await;
    let long = [format!("\"{}\"", "x".repeat(101)), format!("\"{}\"", "🧦".repeat(101))];
    let own = [
        "0",
        "1.5",
        "\"\"",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\n\"",
        "\"a\\tb\"",
        "\"\\u001b[0m\"",
        "\"\\u007f\"",
        "\"\\u0085\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800a\"",
        "\"\\udc00\\ud800\"",
        &long[0],
        &long[1],
    ];
    let values = [&WRONG_TYPES[..], &own].concat();
    let (field, pointer) = ("order_items[0].product_code", "#/order_items/0/product_code");
    each_is_refused(&guarded, "product_code", field, pointer, &values).await;
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn a_currency_is_a_code_of_iso_4217_with_a_minor_unit() {
    let guarded = Guarded::start().await;
    let own = [
        "840",
        "\"\"",
        "\"usd\"",
        "\"Usd\"",
        "\" USD\"",
        "\"USD \"",
        "\"US\"",
        "\"USDX\"",
        "\"840\"",
        "\"XAU\"",
        "\"XXX\"",
        "\"XTS\"",
        "\"ZZZ\"",
        "\"ＵＳＤ\"",
        "\"US\\u0000\"",
        "\"\\ud800\"",
        "[\"USD\"]",
    ];
    let values = [&WRONG_TYPES[..], &own].concat();
    each_is_refused(&guarded, "currency", "currency_code", "#/currency", &values).await;
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn items_are_an_array_of_1_to_100_objects() {
    let guarded = Guarded::start().await;
    let items = ("order_items", "#/order_items");
    let one = r#"{"product_code":"a","unit_price":0.01,"quantity":1}"#;
    let many = |count: usize| format!("[{}]", vec![one; count].join(","));
    for value in ["[]", "null", "true", "0", "\"[]\"", "{}", one, &many(101), &many(1000)] {
        guarded.refuses(with("order_items", value), &[items]).await;
    }
    for value in ["null", "[]", "1", "\"a\"", "false", &many(1)] {
        guarded
            .refuses(with("order_items", &format!("[{value}]")), &[("order_items[0]", "#/order_items/0")])
            .await;
    }
    // Of too many, those that would have counted are looked at all the same.
    let last_of_101 = many(101).replacen(one, "7", 1).replace(&format!("{one}]"), "8]");
    guarded.refuses(with("order_items", &last_of_101), &[items, ("order_items[0]", "#/order_items/0")]).await;
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn a_total_is_above_0_and_below_2_to_the_53_minor_units() {
    let guarded = Guarded::start().await;
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
        // In floats the sum would be below.
        [item("90071992547409.90", 1), item("0.02", 1)].join(","),
    ] {
        let body = with("order_items", &format!("[{items}]"));
        let problem = guarded.refuses(body, &[("order_items", "#/order_items")]).await;
        assert!(text(&problem["errors"][0], "detail").contains("total"), "{problem:#}");
    }
    guarded.nothing_was_placed().await;
}
