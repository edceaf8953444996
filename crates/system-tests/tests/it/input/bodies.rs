//! Bodies that are no JSON object, or hardly one.

use super::{EXAMPLE, Guarded, with};

/// The fault of a body as a whole.
const BODY: [(&str, &str); 1] = [("body", "#")];

#[tokio::test]
async fn a_body_that_is_no_json_object_is_one_fault_at_its_root() {
    let guarded = Guarded::start().await;
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
        guarded.refuses(body.to_owned(), &BODY).await;
    }
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn what_json_does_not_write_is_refused_wherever_it_stands() {
    let guarded = Guarded::start().await;
    for value in [
        "NaN",
        "-NaN",
        "Infinity",
        "-Infinity",
        "undefined",
        "nul",
        "TRUE",
        "+1",
        "01",
        "-01",
        "00",
        ".5",
        "5.",
        "1.e1",
        "1e",
        "1e+",
        "0x1F",
        "1_000",
        "1,5",
        "1/2",
        "--1",
        "1f",
        "１",
        "'1'",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\\n\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"\u{0}\"",
        "\"\u{1f}\"",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "]",
        "{",
        "{\"a\"}",
    ] {
        for member in ["user_id", "product_code", "unit_price", "quantity", "currency", "order_items"] {
            guarded.refuses(with(member, value), &BODY).await;
        }
    }
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_are_found_by_line_and_column() {
    let guarded = Guarded::start().await;
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
        let problem = guarded.refuses([head.as_bytes(), bytes, tail.as_bytes()].concat(), &BODY).await;
        let column = if what == "latin-1" { 3 } else { 1 };
        let detail = format!("is not UTF-8 at line 2 column {column}");
        assert_eq!(problem["errors"][0]["detail"], detail, "{what}");
    }
    let utf_16: Vec<u8> = EXAMPLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    guarded.refuses(utf_16.clone(), &BODY).await;
    guarded.refuses([&b"\xff\xfe"[..], &utf_16].concat(), &BODY).await;
    guarded.refuses([EXAMPLE.as_bytes(), b"\xe2\x82"].concat(), &BODY).await;
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn depth_brings_nothing_down() {
    const DEEP: usize = 64 * 1024;
    let guarded = Guarded::start().await;
    for bomb in [
        "[".repeat(DEEP),
        "{\"a\":".repeat(DEEP / 5),
        format!("{}{}", "[".repeat(DEEP / 2), "]".repeat(DEEP / 2)),
        with("user_id", &"[".repeat(60_000)),
        with("order_items", &"[{\"a\":".repeat(10_000)),
    ] {
        guarded.refuses(bomb, &BODY).await;
    }
    // Well-formed depth is a value of the wrong type like any other.
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    guarded.refuses(with("user_id", &deep), &[("user_id", "#/user_id")]).await;
    guarded
        .refuses(with("quantity", &deep), &[("order_items[0].quantity", "#/order_items/0/quantity")])
        .await;
    guarded.refuses(with("order_items", &deep), &[("order_items[0]", "#/order_items/0")]).await;
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    guarded.refuses(EXAMPLE.replacen('{', &format!("{{\"x\":{objects},"), 1), &[("x", "#/x")]).await;
    guarded.nothing_was_placed().await;
}
