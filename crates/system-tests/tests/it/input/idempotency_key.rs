//! Validation of the `Idempotency-Key` header.

use super::{EXAMPLE, InputFixture, errors, invalid};

#[tokio::test]
async fn key_is_1_to_255_visible_ascii_characters_bare_or_quoted() {
    let fixture = InputFixture::start().await;
    let longest = "k".repeat(255);
    let quotes = "\\\"".repeat(255);
    for (sent, bare) in [
        ("k", "k".to_owned()),
        ("!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~".to_owned()),
        ("\"quoted\"", "quoted".to_owned()),
        (r#""a\\b""#, r"a\b".to_owned()),
        (r"a\b2", r"a\b2".to_owned()),
        (r#"a"b"#, r#"a"b"#.to_owned()),
        (&longest, longest.clone()),
        (&format!("\"{}\"", "q".repeat(255)), "q".repeat(255)),
    ] {
        let placed = fixture.client.post_with(&[("idempotency-key", sent)], EXAMPLE).await;
        assert_eq!(
            (placed.status.as_u16(), placed.header("idempotency-key")),
            (201, bare.as_str()),
            "{sent}"
        );
        // The key in the response is the same key.
        let again =
            fixture.client.post_with(&[("idempotency-key", placed.header("idempotency-key"))], EXAMPLE).await;
        assert_eq!(
            (again.order_id(), again.header("idempotent-replayed")),
            (placed.order_id(), "true"),
            "{sent}"
        );
    }
    // A bare key that begins with a quote would read as a quoted key, so the response quotes it.
    let placed = fixture.client.post_with(&[("idempotency-key", &format!("\"{quotes}\""))], EXAMPLE).await;
    assert_eq!(
        (placed.status.as_u16(), placed.header("idempotency-key")),
        (201, format!("\"{quotes}\"").as_str())
    );
}

#[tokio::test]
async fn invalid_key_is_reported_and_replaced() {
    let fixture = InputFixture::start().await;
    let (long, quoted_long) = ("k".repeat(256), format!("\"{}\"", "k".repeat(256)));
    for key in [
        "",
        "\"\"",
        "\"",
        "\"a",
        "a b",
        "\"a b\"",
        "a\tb",
        "\"a\"b",
        "\"a\";p=1",
        "\"a\",\"b\"",
        "\"a\\n\"",
        "\"a\\\"",
        "schlüssel",
        "\"日\"",
        &long,
        &quoted_long,
    ] {
        for body in [EXAMPLE, EXAMPLE] {
            let response = fixture.client.post_with(&[("idempotency-key", key)], body).await;
            let problem = invalid(&response, key);
            let named: Vec<_> =
                errors(&problem).map(|error| (error["field"].as_str(), error.get("pointer"))).collect();
            assert_eq!(named, [(Some("idempotency_key"), None)], "{key}");
            assert!(response.header("idempotency-key").parse::<uuid::Uuid>().is_ok(), "{key}");
        }
    }
    let two = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let response = fixture.client.post_with(&two, EXAMPLE).await;
    assert_eq!(super::fields(&response, "two keys"), ["idempotency_key"]);
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn invalid_key_and_body_are_reported_together() {
    let fixture = InputFixture::start().await;
    let response =
        fixture.client.post_with(&[("idempotency-key", "a b")], r#"{"user_id":0,"order_items":[]}"#).await;
    assert_eq!(super::fields(&response, "all"), ["idempotency_key", "user_id", "order_items"]);
    fixture.assert_no_order_created().await;
}
