//! Rate limits behind a proxy.

use all_in_one::Options;
use serde_json::json;

use super::{order, orders, start};
use crate::support::{order_body, scrape};

#[tokio::test]
async fn rate_limited_order_leaves_its_key_unused() {
    let options =
        Options::default().var("RATE_LIMIT_PER_ADDRESS", "3/60").var("TRUSTED_PROXIES", "127.0.0.0/8");
    let (system, client, _) = start(options).await;
    let (one, other) = (("x-forwarded-for", "203.0.113.1"), ("x-forwarded-for", "203.0.113.2"));
    for left in [2, 1, 0] {
        let response = order(&client, &[one]).await;
        assert_eq!(response.status, 201);
        assert!(response.header("ratelimit").starts_with(&format!("\"address\";r={left};t=")));
        assert_eq!(response.header("ratelimit-policy"), "\"address\";q=3;w=60");
    }
    let limited = order(&client, &[one, ("idempotency-key", "k")]).await;
    assert_eq!((limited.status.as_u16(), limited.header("idempotency-key")), (429, "k"));
    let seconds: u64 = limited.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    assert_eq!(limited.header("ratelimit"), format!("\"address\";r=0;t={seconds}"));
    let problem = limited.problem();
    assert_eq!(
        (&problem["type"], &problem["reason"]),
        (&json!("/problems/not-started"), &json!("NOT_STARTED"))
    );

    assert_eq!(orders(&client, &[other]).await, 3);
    // The key is unused, so another order may use it.
    let placed = client.post_with(&[other, ("idempotency-key", "k")], order_body(123, json!(0.34))).await;
    assert_eq!((placed.status.as_u16(), placed.header("idempotent-replayed")), (201, ""));
    let page = scrape::page(system.gateway_admin()).await;
    assert!(page.contains("gateway_requests_limited_total{limit=\"address\"} 1\n"), "{page}");
    assert!(page.contains("gateway_problems_total{kind=\"not-started\",status=\"429\"} 1\n"), "{page}");
    assert!(page.contains("http_server_request_duration_seconds_count{http_request_method=\"POST\",http_route=\"/orders\",http_response_status_code="), "{page}");
}

#[tokio::test]
async fn retry_after_the_given_delay_succeeds() {
    let (_system, client, _) = start(Options::default().var("RATE_LIMIT_PER_ADDRESS", "2/2")).await;
    let mut limited = 0;
    for _ in 0..5 {
        let response = order(&client, &[]).await;
        if response.status == 429 {
            limited += 1;
            let seconds: u64 = response.header("retry-after").parse().unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
            assert_eq!(order(&client, &[]).await.status, 201);
        }
    }
    assert!(limited > 0);
}
