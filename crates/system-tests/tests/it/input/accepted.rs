//! Unusual requests that the contract allows.

use serde_json::json;

use super::{EXAMPLE, InputFixture, with};

#[tokio::test]
async fn equivalent_json_creates_equal_orders() {
    let fixture = InputFixture::start().await;
    for body in [
        with("unit_price", "0.120000000000000000000000000000000000000000"),
        with("unit_price", "\"0.12\""),
        with("unit_price", "12e-2"),
        with("unit_price", "\"1.2E-1\""),
        with("unit_price", "\"\\u0030.12\""),
        with("unit_price", "1200000000000000000000000000000000000000000e-43"),
        with("currency", "\"USD\""),
        with("currency", "\"\\u0055SD\""),
        EXAMPLE.replace("user_id", "user\\u005fid"),
        EXAMPLE.replace("order_items", "\\u006frder_items"),
        EXAMPLE.replace("sku1", "\\u0073\\u006b\\u0075\\u0031"),
        EXAMPLE.replace(':', " :\n").replace(',', "\t,\r\n"),
        format!("\r\n \t{EXAMPLE}\n\n"),
    ] {
        let placed = fixture.client.post(&body).await;
        assert_eq!(placed.status, 201, "{body}: {}", placed.text());
        let response = EXAMPLE[1..EXAMPLE.len() - 1]
            .replace(
                r#""order_items""#,
                r#""status":"PAID","currency":"USD","total_price":0.12,"total_price_text":"0.12","order_items""#,
            )
            .replace(r#""quantity""#, r#""unit_price_text":"0.12","quantity""#);
        assert!(placed.text().contains(&response), "{}", placed.text());
    }
}

#[tokio::test]
async fn range_limits_are_accepted() {
    let fixture = InputFixture::start().await;
    let free = r#"{"product_code":"a","unit_price":-0,"quantity":1000000}"#;
    for (body, member, expected) in [
        (with("user_id", "1"), "/user_id", json!(1)),
        (with("user_id", "9007199254740991"), "/user_id", json!((1_i64 << 53) - 1)),
        (with("unit_price", "0.01"), "/total_price", json!(0.01)),
        (
            with("quantity", "1000000").replace("0.12", "0.001").replace("123,", "123,\"currency\":\"KWD\","),
            "/order_items/0/quantity",
            json!(1_000_000),
        ),
        (
            EXAMPLE.replace("\"quantity\":1}", &format!("\"quantity\":1}},{free}")),
            "/order_items/1/quantity",
            json!(1_000_000),
        ),
        (
            with("product_code", "\"\u{80ff}\u{a0}\u{ad}\u{200b}\u{feff}\u{10ffff}\""),
            "/order_items/0/product_code",
            json!("\u{80ff}\u{a0}\u{ad}\u{200b}\u{feff}\u{10ffff}"),
        ),
    ] {
        let placed = fixture.client.post(&body).await;
        assert_eq!(placed.status, 201, "{body}: {}", placed.text());
        assert_eq!(placed.json().pointer(member), Some(&expected), "{body}");
        assert_eq!(fixture.client.get(placed.header("location")).await.text(), placed.text());
    }
}
