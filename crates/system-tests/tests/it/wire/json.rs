//! Valid and invalid JSON (RFC 8259) as the body of an order, and as the value of a member that orders do not
//! have.

use all_in_one::Options;
use http::Method;
use serde_json::Value;

use crate::support::{Client, Response, scrape, start_system};

/// Texts that are no JSON, whole or as the value of a member.
const INVALID: &[(&str, &[u8])] = &[
    // Structure (sections 2, 4, 5).
    ("nothing", b""),
    ("an open object", b"{"),
    ("an open array", b"["),
    ("a closing brace alone", b"}"),
    ("a closing bracket alone", b"]"),
    ("a brace closed by a bracket", b"{]"),
    ("a bracket closed by a brace", b"[}"),
    ("an array without end", b"[1"),
    ("an array without end after a comma", b"[1,"),
    ("an array of a comma", b"[,]"),
    ("a comma before the first element", b"[,1]"),
    ("a comma after the last element", b"[1,]"),
    ("two commas", b"[1,,2]"),
    ("elements without a comma", b"[1 2]"),
    ("elements separated by a colon", b"[1:2]"),
    ("elements separated by a semicolon", b"[1;2]"),
    ("two closing brackets", b"[1]]"),
    ("nested arrays, one open", b"[[1]"),
    ("an object of a comma", b"{,}"),
    ("a comma before the first member", br#"{,"a":1}"#),
    ("a comma after the last member", br#"{"a":1,}"#),
    ("two commas between members", br#"{"a":1,,"b":2}"#),
    ("members without a comma", br#"{"a":1 "b":2}"#),
    ("a name alone", br#"{"a"}"#),
    ("a name and a comma", br#"{"a","b"}"#),
    ("a colon without a value", br#"{"a":}"#),
    ("two colons", br#"{"a"::1}"#),
    ("an equals sign", br#"{"a"=1}"#),
    ("a name without quotation marks", b"{a:1}"),
    ("a name in apostrophes", b"{'a':1}"),
    ("a number as name", b"{1:1}"),
    ("null as name", b"{null:1}"),
    ("an array as name", br#"{["a"]:1}"#),
    ("an object without end", br#"{"a":1"#),
    ("a name without end", br#"{"a"#),
    ("a comment", b"/* */1"),
    ("a comment to the end of the line", b"1//x\n"),
    ("a comment of a hash sign", b"#x\n1"),
    ("an element of parentheses", b"(1)"),
    ("a tag", b"<a/>"),
    ("an assignment", b"a=1"),
    // Literals (section 3).
    ("a literal in capitals", b"TRUE"),
    ("a literal with a capital", b"Null"),
    ("a literal cut short", b"tru"),
    ("null cut short", b"nul"),
    ("a literal and a letter", b"nulll"),
    ("a literal and a digit", b"true1"),
    ("undefined", b"undefined"),
    ("None", b"None"),
    ("NaN", b"NaN"),
    ("Infinity", b"Infinity"),
    ("-Infinity", b"-Infinity"),
    ("a word", b"abc"),
    // Numbers (section 6).
    ("a plus sign", b"+1"),
    ("a minus sign alone", b"-"),
    ("two minus signs", b"--1"),
    ("a minus sign and a space", b"- 1"),
    ("a leading zero", b"01"),
    ("a leading zero below 0", b"-01"),
    ("two zeros", b"00"),
    ("no digit before the point", b".5"),
    ("no digit before the point, below 0", b"-.5"),
    ("no digit after the point", b"5."),
    ("an exponent after the point", b"5.e1"),
    ("two points", b"1.2.3"),
    ("a point alone", b"."),
    ("an exponent without digits", b"1e"),
    ("an exponent of a sign", b"1e+"),
    ("an exponent of two signs", b"1e+-1"),
    ("an exponent with a point", b"1e1.5"),
    ("two exponents", b"1e1e1"),
    ("an exponent alone", b"e1"),
    ("hexadecimal", b"0x1F"),
    ("octal", b"0o17"),
    ("binary", b"0b1"),
    ("an underscore", b"1_000"),
    ("a space between digits", b"1 000"),
    ("a suffix", b"1f"),
    ("a big integer", b"1n"),
    ("a fraction bar", b"1/2"),
    ("full-width digits", "１２".as_bytes()),
    ("Arabic digits", "١٢".as_bytes()),
    ("a typographic minus sign", "−1".as_bytes()),
    // Strings (section 7).
    ("a string without end", br#""a"#),
    ("a quotation mark alone", br#"""#),
    ("apostrophes", b"'a'"),
    ("typographic quotation marks", "“a”".as_bytes()),
    ("a string and a word", br#""a"b"#),
    ("two strings", br#""a" "b""#),
    ("an unknown escape", br#""\x41""#),
    ("an escaped apostrophe", br#""\'""#),
    ("an escaped digit", br#""\0""#),
    ("an escaped capital", br#""\N""#),
    ("an escaped line end", b"\"\\\n\""),
    ("a backslash at the end", br#""a\"#),
    ("an escape without digits", br#""\u""#),
    ("an escape of three digits", br#""\u123""#),
    ("an escape with a letter", br#""\u12G4""#),
    ("an escape in braces", br#""\u{41}""#),
    ("an escape in capitals", br#""\U0041""#),
    ("a line end in a string", b"\"a\nb\""),
    ("a carriage return in a string", b"\"a\rb\""),
    ("a tab in a string", b"\"a\tb\""),
    ("NUL in a string", b"\"a\0b\""),
    ("a control character in a string", b"\"a\x1fb\""),
    ("a control character in a name", b"{\"a\x01\":1}"),
    // White space (section 2).
    ("a form feed", b"\x0c1"),
    ("a vertical tab", b"\x0b1"),
    ("a no-break space", "\u{a0}1".as_bytes()),
    ("a line separator", "\u{2028}1".as_bytes()),
    ("a zero-width space", "\u{200b}1".as_bytes()),
    ("a word joiner at the end", "1\u{2060}".as_bytes()),
    ("NUL after a value", b"1\0"),
    // Encodings (section 8.1).
    ("a byte order mark", "\u{feff}1".as_bytes()),
    ("a byte order mark of UTF-16", b"\xff\xfe1\0"),
    ("UTF-16, little endian", b"{\0}\0"),
    ("UTF-16, big endian", b"\0{\0}"),
    ("UTF-32", b"{\0\0\0}\0\0\0"),
    ("Latin-1", b"\"\xe9\""),
    ("a continuation byte alone", b"\"\x80\""),
    ("a first byte alone", b"\"\xc3\""),
    ("two bytes of three", b"\"\xe2\x82\""),
    ("an overlong solidus", b"\"\xc0\xaf\""),
    ("an overlong NUL", b"\"\xc0\x80\""),
    ("an overlong character of three bytes", b"\"\xe0\x80\xaf\""),
    ("an encoded surrogate", b"\"\xed\xa0\x80\""),
    ("an encoded surrogate pair", b"\"\xed\xa0\xbd\xed\xb8\x80\""),
    ("a character beyond Unicode", b"\"\xf4\x90\x80\x80\""),
    ("a character of five bytes", b"\"\xf8\x88\x80\x80\x80\""),
    ("a byte that UTF-8 has not", b"\"\xff\""),
    ("such a byte in a name", b"{\"\xff\":1}"),
    ("such a byte outside of a string", b"\xff"),
];

/// Texts that are JSON.
const VALID: &[(&str, &[u8])] = &[
    ("null", b"null"),
    ("true", b"true"),
    ("false", b"false"),
    ("an empty object", b"{}"),
    ("an empty array", b"[]"),
    ("an empty string", br#""""#),
    ("an object with white space", b"{ \t\r\n}"),
    ("an array with white space", b"[ \t\r\n]"),
    ("white space around a value", b" \t\r\n1 \t\r\n"),
    ("white space around members", b"{ \"a\" : 1 , \"b\" : [ 1 , 2 ] }"),
    ("nested arrays", b"[[],[[]],[[[]]]]"),
    ("nested objects", br#"{"a":{"b":{"c":{}}}}"#),
    ("an array of every type", br#"[null,true,1,"a",[],{}]"#),
    ("two members of one name", br#"{"a":1,"a":2}"#),
    ("two equal members", br#"{"a":1,"a":1}"#),
    ("an empty name", br#"{"":1}"#),
    ("a name with an escape", br#"{"\u0061\n":1}"#),
    ("a name with NUL escaped", br#"{"a\u0000b":1}"#),
    ("a long name", br#"{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":1}"#),
    ("names of JavaScript", br#"{"__proto__":1,"constructor":2,"toString":3}"#),
    ("0", b"0"),
    ("-0", b"-0"),
    ("-0.0", b"-0.0"),
    ("0e0", b"0e0"),
    ("0E+00", b"0E+00"),
    ("1", b"1"),
    ("-1", b"-1"),
    ("a fraction", b"1.5"),
    ("a fraction with zeros", b"1.500"),
    ("a fraction of 0", b"0.0000001"),
    ("an exponent", b"1e5"),
    ("an exponent in capitals", b"1E5"),
    ("an exponent with a plus sign", b"1e+5"),
    ("an exponent below 0", b"1e-5"),
    ("an exponent with a leading zero", b"1e005"),
    ("a fraction with an exponent", b"-1.25E-10"),
    ("2^53", b"9007199254740992"),
    ("2^64", b"18446744073709551616"),
    ("-2^63 - 1", b"-9223372036854775809"),
    ("100 digits", b"1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"),
    ("above the largest double", b"1e400"),
    ("below the smallest double", b"1e-400"),
    ("an exponent of 20 digits", b"1e99999999999999999999"),
    ("every escape", br#""\"\\\/\b\f\n\r\t""#),
    ("an escaped letter", br#""\u0041""#),
    ("escape digits in both cases", br#""\u00eF\u00Ef""#),
    ("NUL escaped", br#""\u0000""#),
    ("a surrogate pair", br#""\ud83d\ude00""#),
    ("a surrogate pair in capitals", br#""\uD83D\uDE00""#),
    ("two surrogate pairs", br#""\ud83d\ude00\ud83d\ude01""#),
    ("an escaped byte order mark", br#""\ufeff""#),
    ("escaped noncharacters", br#""\ufffe\uffff\ufdd0""#),
    ("an escaped backslash before u", br#""\\u12""#),
    ("a solidus", br#""/""#),
    ("DEL", b"\"\x7f\""),
    ("control characters of Unicode", "\"\u{80}\u{9f}\"".as_bytes()),
    ("characters of two to four bytes", "\"é€😀\"".as_bytes()),
    ("a noncharacter", "\"\u{ffff}\u{10ffff}\"".as_bytes()),
    ("a byte order mark in a string", "\"\u{feff}\"".as_bytes()),
    ("line and paragraph separators", "\"\u{2028}\u{2029}\"".as_bytes()),
    ("combining and bidirectional characters", "\"e\u{301}\u{202e}\u{200d}\"".as_bytes()),
    ("characters in a name", "{\"é€😀\":1}".as_bytes()),
    ("JSON in a string", br#""{\"a\":[1,2]}""#),
    ("a comment in a string", br#""/* */ // #""#),
];

/// Texts that the grammar allows and that no Unicode string represents (section 8.2).
const NOT_UNICODE: &[(&str, &[u8])] = &[
    ("a first surrogate alone", br#""\ud83d""#),
    ("a second surrogate alone", br#""\ude00""#),
    ("two first surrogates", br#""\ud83d\ud83d""#),
    ("surrogates in the wrong order", br#""\ude00\ud83d""#),
    ("a first surrogate and a letter", br#""\ud83da""#),
    ("a first surrogate and an escape", br#""\ud83d\n""#),
    ("a surrogate alone in a name", br#"{"\ud83d":1}"#),
    ("a surrogate alone in an array", br#"["\udfff"]"#),
];

/// The body of an order with the member `x` of this value.
fn embedded(value: &[u8]) -> Vec<u8> {
    let order =
        r#"{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}],"x":"#;
    [order.as_bytes(), value, b"}"].concat()
}

async fn post(client: &Client, body: Vec<u8>) -> Response {
    client.send(Method::POST, "/orders", &[("content-type", "application/json")], body).await
}

/// Posts each body. Panics where one is not rejected with `status` and these violations, by their pointers.
async fn assert_rejected(bodies: impl IntoIterator<Item = (String, Vec<u8>, u16, Vec<&'static str>)>) {
    let (system, client) = start_system(Options::default()).await;
    let mut failures = Vec::new();
    for (name, body, status, pointers) in bodies {
        let shown = body[..body.len().min(200)].escape_ascii().to_string();
        let response = post(&client, body).await;
        let problem = response.json();
        let found: Vec<&str> =
            violations(&problem).map(|one| one["pointer"].as_str().unwrap_or("")).collect();
        if response.status != status || found != pointers {
            failures.push(format!("{name}: {shown}\n  expected {status} {pointers:?}\n  received {problem}"));
        }
    }
    assert!(failures.is_empty(), "{} failed\n{}", failures.len(), failures.join("\n"));
    assert_eq!(scrape::calls(system.order_admin(), "Order/Create").await, 0);
}

fn violations(problem: &Value) -> impl Iterator<Item = &Value> {
    problem["errors"].as_array().into_iter().flatten()
}

#[tokio::test]
async fn invalid_json_is_one_violation_of_the_body() {
    let bodies = INVALID.iter().flat_map(|(name, text)| {
        let whole = (format!("{name}, whole"), text.to_vec(), 400, vec!["#"]);
        [whole, (format!("{name}, as a member"), embedded(text), 400, vec!["#"])]
    });
    assert_rejected(bodies).await;
}

#[tokio::test]
async fn valid_json_is_one_violation_of_the_member() {
    let bodies = VALID
        .iter()
        .chain(NOT_UNICODE)
        .map(|(name, text)| ((*name).to_owned(), embedded(text), 400, vec!["#/x"]));
    assert_rejected(bodies).await;
}

/// Each but the objects, which lack members.
#[tokio::test]
async fn valid_json_of_another_type_is_one_violation_of_the_body() {
    let others = VALID.iter().filter(|(_, text)| !text.trim_ascii_start().starts_with(b"{"));
    assert_rejected(others.map(|(name, text)| ((*name).to_owned(), text.to_vec(), 400, vec!["#"]))).await;
}

#[tokio::test]
async fn nested_and_long_json_is_rejected_in_bounded_time() {
    let nested =
        |open: &str, close: &str, depth: usize| (open.repeat(depth) + &close.repeat(depth)).into_bytes();
    let long = |bytes: usize| [&b"\""[..], &vec![b'a'; bytes], b"\""].concat();
    let member = vec!["#/x"];
    assert_rejected([
        ("arrays of depth 100".to_owned(), embedded(&nested("[", "]", 100)), 400, member.clone()),
        ("arrays of depth 30,000".to_owned(), embedded(&nested("[", "]", 30_000)), 400, member.clone()),
        (
            "objects of depth 9,000".to_owned(),
            embedded(&nested("{\"a\":[", "]}", 8_000)),
            400,
            member.clone(),
        ),
        ("open arrays".to_owned(), "[".repeat(60_000).into_bytes(), 400, vec!["#"]),
        ("open arrays in a member".to_owned(), embedded("[".repeat(60_000).as_bytes()), 400, vec!["#"]),
        ("a string of 60,000 bytes".to_owned(), embedded(&long(60_000)), 400, member.clone()),
        ("60,000 digits".to_owned(), embedded("1".repeat(60_000).as_bytes()), 400, member),
        ("a string of 70,000 bytes".to_owned(), embedded(&long(70_000)), 413, vec![]),
        ("arrays of depth 50,000".to_owned(), embedded(&nested("[", "]", 50_000)), 413, vec![]),
    ])
    .await;
}

/// The document says: integers are written without fraction or exponent, prices as numbers or strings.
#[tokio::test]
async fn numbers_of_an_order_have_their_documented_forms() {
    let order = |user: &str, price: &str, quantity: &str| {
        let item = format!(r#"{{"product_code":"a","unit_price":{price},"quantity":{quantity}}}"#);
        format!(r#"{{"user_id":{user},"order_items":[{item}]}}"#).into_bytes()
    };
    let (user, price, quantity) = ("#/user_id", "#/order_items/0/unit_price", "#/order_items/0/quantity");
    let mut bodies = Vec::new();
    for number in
        ["1.0", "1e0", "1E2", "100e-2", "-0", "0", "-1", "1.5", "\"1\"", "1e400", "null", "[1]", "true"]
    {
        bodies.push((format!("user_id {number}"), order(number, "1", "1"), 400, vec![user]));
        bodies.push((format!("quantity {number}"), order("1", "1", number), 400, vec![quantity]));
    }
    for number in ["9007199254740992", "9223372036854775808", "18446744073709551617"] {
        bodies.push((format!("user_id {number}"), order(number, "1", "1"), 400, vec![user]));
    }
    for number in ["1000001", "2147483648", "4294967297"] {
        bodies.push((format!("quantity {number}"), order("1", "1", number), 400, vec![quantity]));
    }
    for number in
        ["-0.01", "0.001", "\"1,5\"", "\" 1\"", "\"\"", "\"+1\"", "\"0x1\"", "\"NaN\"", "1e400", "null", "{}"]
    {
        bodies.push((format!("unit_price {number}"), order("1", number, "1"), 400, vec![price]));
    }
    assert_rejected(bodies).await;

    let (_system, client) = start_system(Options::default()).await;
    for (user, price, total) in [
        ("9007199254740991", "0.12", "0.12"),
        ("1", "12e-2", "0.12"),
        ("2", "0.120", "0.12"),
        ("3", "\"0.12\"", "0.12"),
        ("4", "1E+2", "100.00"),
        ("5", "\"1e2\"", "100.00"),
    ] {
        let placed = post(&client, order(user, price, "1")).await;
        assert_eq!(placed.status, 201, "{user} {price}: {}", placed.text());
        let total = format!("\"total_price\":{total}");
        assert!(placed.text().contains(&total), "{user} {price}: {}", placed.text());
    }
}
