//! The header `Idempotency-Key`.

use super::{EXAMPLE, Guarded, errors, invalid};

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters_bare_or_quoted() {
    let guarded = Guarded::start().await;
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
        let placed = guarded.client.post_with(&[("idempotency-key", sent)], EXAMPLE).await;
        assert_eq!(
            (placed.status.as_u16(), placed.header("idempotency-key")),
            (201, bare.as_str()),
            "{sent}"
        );
        // What the answer says is the same key.
        let again =
            guarded.client.post_with(&[("idempotency-key", placed.header("idempotency-key"))], EXAMPLE).await;
        assert_eq!(
            (again.order_id(), again.header("idempotent-replayed")),
            (placed.order_id(), "true"),
            "{sent}"
        );
    }
    // A bare key that began with a quote would read as a quoted one, so the answer quotes it.
    let placed = guarded.client.post_with(&[("idempotency-key", &format!("\"{quotes}\""))], EXAMPLE).await;
    assert_eq!(
        (placed.status.as_u16(), placed.header("idempotency-key")),
        (201, format!("\"{quotes}\"").as_str())
    );
}

#[tokio::test]
async fn any_other_key_is_named_and_a_fresh_one_is_in_effect() {
    let guarded = Guarded::start().await;
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
            let answer = guarded.client.post_with(&[("idempotency-key", key)], body).await;
            let problem = invalid(&answer, key);
            let named: Vec<_> =
                errors(&problem).map(|error| (error["field"].as_str(), error.get("pointer"))).collect();
            assert_eq!(named, [(Some("idempotency_key"), None)], "{key}");
            assert!(answer.header("idempotency-key").parse::<uuid::Uuid>().is_ok(), "{key}");
        }
    }
    let two = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let answer = guarded.client.post_with(&two, EXAMPLE).await;
    assert_eq!(super::fields(&answer, "two keys"), ["idempotency_key"]);
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn a_bad_key_and_a_bad_body_are_named_together() {
    let guarded = Guarded::start().await;
    let answer =
        guarded.client.post_with(&[("idempotency-key", "a b")], r#"{"user_id":0,"order_items":[]}"#).await;
    assert_eq!(super::fields(&answer, "all"), ["idempotency_key", "user_id", "order_items"]);
    guarded.nothing_was_placed().await;
}

#[tokio::test]
async fn a_key_is_in_the_answer_whatever_was_wrong() {
    let guarded = Guarded::start().await;
    for (headers, body, status) in [
        (&[("idempotency-key", "k")][..], "{", 400),
        (&[("idempotency-key", "k"), ("accept", "text/html")], EXAMPLE, 406),
        (&[("idempotency-key", "k"), ("content-encoding", "gzip")], EXAMPLE, 415),
        (&[("idempotency-key", "k")], &" ".repeat(64 * 1024 + 1), 413),
    ] {
        let answer = guarded.client.post_with(headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.header("idempotency-key")), (status, "k"));
    }
    guarded.nothing_was_placed().await;
}
