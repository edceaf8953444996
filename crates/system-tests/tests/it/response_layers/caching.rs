//! `Cache-Control`, `ETag` and conditional requests.

use http::{Method, StatusCode};
use proto::order::OrderStatus;
use serde_json::json;

use super::{fixture, order, read};
use crate::{gateway_fixture::ORDER_ID, support::order_body};

const FINAL: [OrderStatus; 3] = [OrderStatus::Paid, OrderStatus::Declined, OrderStatus::Voided];

#[tokio::test]
async fn changing_responses_are_not_cacheable() {
    let (backend, gateway) = fixture(OrderStatus::Pending, &[]).await;
    for status in [OrderStatus::Pending, OrderStatus::NotCharged] {
        backend.set_get(order(status));
        for known in ["*", "W/\"x\""] {
            let response = read(&gateway, &[("if-none-match", known)]).await;
            assert_eq!(
                (response.status, response.header("cache-control")),
                (StatusCode::OK, "no-store"),
                "{status:?}"
            );
            assert_eq!(response.header("etag"), "", "{status:?}");
        }
    }
    let placed = gateway.client.post(order_body(123, json!(0.12))).await;
    let listed = gateway.client.get("/orders?user_id=1").await;
    for response in [placed, listed, gateway.client.get("/nothing").await, gateway.client.get("/livez").await]
    {
        assert_eq!(response.header("cache-control"), "no-store", "{}", response.status);
    }
}

#[tokio::test]
async fn final_order_has_an_etag_and_revalidates_with_304() {
    let (backend, gateway) = fixture(OrderStatus::Paid, &[]).await;
    for status in FINAL {
        backend.set_get(order(status));
        let first = read(&gateway, &[]).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
        for known in [&tag, tag.trim_start_matches("W/"), "*", &format!("\"x\",{tag}")] {
            for method in [Method::GET, Method::HEAD] {
                let headers = [("if-none-match", known), ("accept-encoding", "gzip")];
                let confirmed =
                    gateway.client.send(method, &format!("/orders/{ORDER_ID}"), &headers, "").await;
                assert_eq!(confirmed.status, StatusCode::NOT_MODIFIED, "{known}");
                assert!(confirmed.body.is_empty());
                for name in ["etag", "cache-control", "vary"] {
                    assert_eq!(confirmed.header(name), first.header(name), "{name}");
                }
                assert_eq!(confirmed.header("content-type"), "");
            }
        }
        assert_eq!(first.header("cache-control"), "private, no-cache");
        assert_eq!(first.header("vary"), "accept-encoding, authorization, prefer");
        for unknown in ["\"x\"", "nonsense", "*, \"x\"", tag.trim_matches('"')] {
            let again = read(&gateway, &[("if-none-match", unknown)]).await;
            assert_eq!((again.status, again.text()), (StatusCode::OK, first.text()), "{unknown}");
        }
    }
}

#[tokio::test]
async fn different_orders_have_different_etags() {
    let (backend, gateway) = fixture(OrderStatus::Paid, &[]).await;
    let paid = read(&gateway, &[]).await;
    assert_eq!(read(&gateway, &[]).await.header("etag"), paid.header("etag"));
    backend.set_get(order(OrderStatus::Voided));
    let voided = read(&gateway, &[("if-none-match", paid.header("etag"))]).await;
    assert_eq!(voided.status, StatusCode::OK);
    assert_ne!(voided.header("etag"), paid.header("etag"));
}

#[tokio::test]
async fn error_response_is_not_a_304() {
    let (backend, gateway) = fixture(OrderStatus::Paid, &[]).await;
    backend.fail_all(&tonic::Status::not_found("there is no such order"));
    let missing = read(&gateway, &[("if-none-match", "*")]).await;
    assert_eq!((missing.status, missing.header("etag")), (StatusCode::NOT_FOUND, ""));
    missing.problem();
}

#[tokio::test]
async fn documentation_revalidates_with_304() {
    let (_order, gateway) = fixture(OrderStatus::Paid, &[]).await;
    for path in ["/docs", "/docs/swagger-ui-bundle.js", "/docs/index.css", "/openapi.json"] {
        let sent = gateway.client.get(path).await;
        assert_eq!((sent.status, sent.header("cache-control")), (StatusCode::OK, "no-cache"), "{path}");
        let known = [("if-none-match", sent.header("etag"))];
        let confirmed = gateway.client.send(Method::GET, path, &known, "").await;
        assert_eq!((confirmed.status, confirmed.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        // A cache replaces its stored headers with those of a 304.
        for name in ["content-security-policy", "cache-control", "vary", "etag"] {
            assert_eq!(confirmed.header(name), sent.header(name), "{name} of {path}");
        }
    }
}
