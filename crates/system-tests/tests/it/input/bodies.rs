//! Bodies that are not JSON objects, and invalid JSON.

use super::{EXAMPLE, InputFixture, with};

/// An error of the body as a whole.
const BODY: [(&str, &str); 1] = [("body", "#")];

#[tokio::test]
async fn body_that_is_not_a_json_object_is_one_error_at_the_root() {
    let fixture = InputFixture::start().await;
    let twice = EXAMPLE.repeat(2);
    for body in [
        "",
        " \r\n\t",
        "null",
        "true",
        "0",
        "\"a\"",
        "[]",
        "[{}]",
        &twice,
        &format!("{EXAMPLE}x"),
        &format!("{EXAMPLE},"),
        &format!("x{EXAMPLE}"),
        &format!("[{EXAMPLE}]"),
        &format!("{EXAMPLE}/* */"),
        &format!("//\n{EXAMPLE}"),
        &format!("{EXAMPLE}\u{0}"),
        &format!("\u{feff}{EXAMPLE}"),
        &format!("\u{a0}{EXAMPLE}"),
        "{",
        "{}}",
        "{]",
        r#"{"user_id"}"#,
        r#"{"user_id":}"#,
        r#"{"user_id":1,}"#,
        r#"{,"user_id":1}"#,
        r#"{user_id:1}"#,
        r#"{'user_id':1}"#,
        r#"{"user_id"=1}"#,
        r#"{"user_id":1;}"#,
        r#"{"user_id":1 "a":2}"#,
        r#"{1:1}"#,
        r#"{null:1}"#,
        "user_id=123",
        "<order/>",
    ] {
        fixture.assert_rejected(body.to_owned(), &BODY).await;
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn invalid_json_values_are_rejected_in_every_member() {
    let fixture = InputFixture::start().await;
    let values = r#"NaN -NaN Infinity -Infinity undefined nul TRUE +1 01 -01 00 .5 5. 1.e1 1e 1e+ 0x1F 1_000 1,5
        1/2 --1 1f １ '1' " "\x" "\u12" [1,] [,1] [ ] { {"a"}"#;
    let with_white_space = ["\"\\\n\"", "\"a\nb\"", "\"a\tb\"", "\"\u{0}\"", "\"\u{1f}\"", "[1 2]"];
    for value in values.split_whitespace().chain(with_white_space) {
        for member in ["user_id", "product_code", "unit_price", "quantity", "currency", "order_items"] {
            fixture.assert_rejected(with(member, value), &BODY).await;
        }
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn invalid_utf_8_is_reported_by_line_and_column() {
    let fixture = InputFixture::start().await;
    let marked = EXAMPLE.replace("sku1", "\n§");
    for (what, bytes) in [
        ("a byte of no character", &b"\xff"[..]),
        ("a tail without its head", b"\x80"),
        ("a head without its tail", b"\xc3"),
        ("an overlong slash", b"\xc0\xaf"),
        ("an overlong NUL", b"\xc0\x80"),
        ("half a surrogate pair", b"\xed\xa0\x80"),
        ("beyond Unicode", b"\xf4\x90\x80\x80"),
        ("latin-1", b"gr\xf6\xdfe"),
    ] {
        let [head, tail] = *marked.split('§').collect::<Vec<_>>() else { panic!("one mark") };
        let problem =
            fixture.assert_rejected([head.as_bytes(), bytes, tail.as_bytes()].concat(), &BODY).await;
        let column = if what == "latin-1" { 3 } else { 1 };
        let detail = format!("is not UTF-8 at line 2 column {column}");
        assert_eq!(problem["errors"][0]["detail"], detail, "{what}");
    }
    let utf_16: Vec<u8> = EXAMPLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fixture.assert_rejected(utf_16.clone(), &BODY).await;
    fixture.assert_rejected([&b"\xff\xfe"[..], &utf_16].concat(), &BODY).await;
    fixture.assert_rejected([EXAMPLE.as_bytes(), b"\xe2\x82"].concat(), &BODY).await;
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn deep_nesting_is_rejected() {
    const DEEP: usize = 64 * 1024;
    let fixture = InputFixture::start().await;
    for bomb in [
        "[".repeat(DEEP),
        "{\"a\":".repeat(DEEP / 5),
        format!("{}{}", "[".repeat(DEEP / 2), "]".repeat(DEEP / 2)),
        with("user_id", &"[".repeat(60_000)),
        with("order_items", &"[{\"a\":".repeat(10_000)),
    ] {
        fixture.assert_rejected(bomb, &BODY).await;
    }
    // Deep but well-formed JSON is a value of the wrong type.
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    fixture.assert_rejected(with("user_id", &deep), &[("user_id", "#/user_id")]).await;
    fixture
        .assert_rejected(with("quantity", &deep), &[("order_items[0].quantity", "#/order_items/0/quantity")])
        .await;
    fixture.assert_rejected(with("order_items", &deep), &[("order_items[0]", "#/order_items/0")]).await;
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    fixture.assert_rejected(EXAMPLE.replacen('{', &format!("{{\"x\":{objects},"), 1), &[("x", "#/x")]).await;
    fixture.assert_no_order_created().await;
}
