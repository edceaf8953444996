//! Responses while Order or Payment is down.

use serde_json::json;

use super::{EXAMPLE, start};

#[tokio::test]
async fn payment_down_gives_not_charged() {
    let (mut system, client) = start().await;
    system.stop_payment().await.unwrap();
    let rejected = client.post_with(&[("idempotency-key", "k")], EXAMPLE).await;
    assert_eq!((rejected.status.as_u16(), rejected.header("retry-after")), (503, "1"));
    assert_eq!(rejected.header("idempotency-key"), "k");
    let problem = rejected.problem();
    assert_eq!(problem["type"], "/problems/not-charged");
    assert_eq!((&problem["code"], &problem["domain"]), (&json!("UNAVAILABLE"), &json!("order")));
    assert_eq!((&problem["reason"], &problem["retryable"]), (&json!("NOT_CHARGED"), &json!(true)));
    assert_eq!(problem["errors"][0]["field"], "payment");
    assert!(!rejected.text().contains(&system.payment_address().port().to_string()), "{}", rejected.text());

    let path = format!("/orders/{}", rejected.order_id());
    let read = client.get(&path).await;
    assert_eq!((read.status.as_u16(), &read.json()["status"]), (200, &json!("NOT_CHARGED")));
    assert!(read.text().contains(r#""total_price":0.12,"#));

    // The same key continues the same order; another key creates another order.
    let again = client.post_with(&[("idempotency-key", "k")], EXAMPLE).await;
    assert_eq!((again.status.as_u16(), again.order_id()), (503, rejected.order_id()));
    let other = client.post(EXAMPLE).await;
    assert_eq!(other.status, 503);
    assert_ne!(other.order_id(), rejected.order_id());
    let listed = client.get("/orders?user_id=123").await.json();
    let statuses: Vec<_> =
        listed["orders"].as_array().unwrap().iter().map(|order| &order["status"]).collect();
    assert_eq!(statuses, ["NOT_CHARGED", "NOT_CHARGED"]);
}

#[tokio::test]
async fn order_down_gives_not_started() {
    let (mut system, client) = start().await;
    let placed = client.post(EXAMPLE).await;
    system.stop_order().await.unwrap();
    let rejected = client.post_with(&[("idempotency-key", "k")], EXAMPLE).await;
    assert_eq!((rejected.status.as_u16(), rejected.header("retry-after")), (503, "1"));
    assert_eq!(rejected.header("idempotency-key"), "k");
    for response in
        [rejected, client.get(placed.header("location")).await, client.get("/orders?user_id=123").await]
    {
        assert_eq!((response.status.as_u16(), response.header("retry-after")), (503, "1"));
        let problem = response.problem();
        assert_eq!(problem["type"], "/problems/not-started");
        assert_eq!((&problem["reason"], &problem["retryable"]), (&json!("NOT_STARTED"), &json!(true)));
        assert!(!response.text().contains(&system.order_address().port().to_string()), "{}", response.text());
    }
    // The gateway itself stays ready.
    for path in ["/livez", "/readyz", "/openapi.json", "/docs"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
}
