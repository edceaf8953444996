//! Idempotency keys: one key, one order, one charge.

use std::collections::BTreeSet;

use serde_json::json;

use super::{EXAMPLE, start};
use crate::support::order_body;

#[tokio::test]
async fn repeated_request_returns_the_same_order() {
    let (_system, client) = start().await;
    let first = client.post_with(&[("idempotency-key", "k-1")], EXAMPLE).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-key")), (201, "k-1"));
    assert_eq!(first.header("idempotent-replayed"), "");
    // Equivalent requests: quoted key, other whitespace and member order, explicit default
    // currency.
    let spaced = "\n{ \"order_items\" : [ {\"quantity\":1, \"unit_price\":\"0.120\",\"product_code\":\"sku\\u0031\"} ],\
                  \"currency\":\"USD\", \"user_id\":123 }\n";
    for (key, body) in [("k-1", EXAMPLE), ("\"k-1\"", EXAMPLE), ("k-1", spaced)] {
        let again = client.post_with(&[("idempotency-key", key)], body).await;
        assert_eq!(
            (again.status.as_u16(), again.header("idempotent-replayed")),
            (201, "true"),
            "{key} {body}"
        );
        assert_eq!(again.text(), first.text());
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotency-key"), "k-1");
    }
    assert_eq!(client.get("/orders?user_id=123").await.json()["orders"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn reused_key_with_another_order_gets_422() {
    let (_system, client) = start().await;
    let first = client.post_with(&[("idempotency-key", "k")], EXAMPLE).await;
    for (what, body) in [
        ("price", EXAMPLE.replace("0.12", "0.13")),
        ("quantity", EXAMPLE.replace("\"quantity\":1", "\"quantity\":2")),
        ("product", EXAMPLE.replace("sku1", "SKU1")),
        ("currency", EXAMPLE.replace("{\"user_id\"", "{\"currency\":\"EUR\",\"user_id\"")),
        (
            "items",
            order_body(123, json!("0.12"))
                .to_string()
                .replace("}]", "},{\"product_code\":\"b\",\"unit_price\":0,\"quantity\":1}]"),
        ),
    ] {
        let rejected = client.post_with(&[("idempotency-key", "k")], &body).await;
        assert_eq!(rejected.status, 422, "{what}");
        let problem = rejected.problem();
        assert_eq!(problem["type"], "/problems/idempotency-key-reused");
        assert_eq!(
            (&problem["reason"], &problem["retryable"]),
            (&json!("IDEMPOTENCY_KEY_REUSED"), &json!(false))
        );
        assert_eq!(rejected.header("idempotency-key"), "k");
    }
    let listed = client.get("/orders?user_id=123").await.json();
    assert_eq!(listed["orders"], json!([first.json()]));
}

#[tokio::test]
async fn keys_are_scoped_by_user_and_compared_bytewise() {
    let (_system, client) = start().await;
    let mut ids = BTreeSet::new();
    for (user, key) in [(1, "key-a"), (2, "key-a"), (1, "Key-A"), (1, "key-a."), (1, "key"), (1, "%6Bey-a")] {
        let placed = client.post_with(&[("idempotency-key", key)], order_body(user, json!(1))).await;
        assert_eq!((placed.status.as_u16(), placed.header("idempotent-replayed")), (201, ""), "{user} {key}");
        ids.insert(placed.order_id());
    }
    assert_eq!(ids.len(), 6);
}

#[tokio::test]
async fn generated_key_repeats_the_order() {
    let (_system, client) = start().await;
    let first = client.post(EXAMPLE).await;
    let again = client.post_with(&[("idempotency-key", first.header("idempotency-key"))], EXAMPLE).await;
    assert_eq!((again.order_id(), again.header("idempotent-replayed")), (first.order_id(), "true"));
    assert_ne!(client.post(EXAMPLE).await.order_id(), first.order_id());
}

#[tokio::test]
async fn declined_order_is_replayed() {
    let (_system, client) = start().await;
    let body = order_body(123, json!(1001));
    let first = client.post_with(&[("idempotency-key", "k")], &body).await;
    let again = client.post_with(&[("idempotency-key", "k")], &body).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (402, 402));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!(first.order_id(), again.order_id());
    assert_eq!(again.problem()["errors"], json!([{ "field": "payment", "detail": "insufficient balance" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_key_create_one_order_and_one_charge() {
    let (_system, client) = start().await;
    let body = order_body(123, json!(600)).to_string();
    let requests: Vec<_> = (0..16)
        .map(|_| {
            let (client, body) = (client.clone(), body.clone());
            tokio::spawn(async move { client.post_with(&[("idempotency-key", "k")], body).await })
        })
        .collect();
    let (mut ids, mut firsts) = (BTreeSet::new(), 0);
    for request in requests {
        let response = request.await.unwrap();
        assert_eq!(response.status, 201, "{}", response.text());
        ids.insert(response.order_id());
        firsts += u32::from(response.header("idempotent-replayed").is_empty());
    }
    assert_eq!((ids.len(), firsts), (1, 1));
    // 600 of 1000 were charged once.
    assert_eq!(client.post(order_body(123, json!(400))).await.status, 201);
    assert_eq!(client.post(order_body(123, json!("0.01"))).await.status, 402);
}
