//! Compression of responses.

use std::io::Read;

use flate2::read::GzDecoder;
use http::{Method, StatusCode};
use proto::order::{CreateOrderResponse, ListOrdersResponse, OrderStatus};
use serde_json::{Value, json};
use tonic::Status;

use super::{fixture, order, read};
use crate::{
    gateway_fixture::GatewayFixture,
    support::{Response, order_body},
};

async fn get(gateway: &GatewayFixture, path: &str, accepted: &str) -> Response {
    gateway
        .client
        .exchange(&Method::GET, path, &[("accept-encoding", accepted)], "")
        .await
        .expect("a response")
}

fn unzipped(response: &Response) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(&response.body[..]).read_to_end(&mut plain).expect("gzip");
    plain
}

#[tokio::test]
async fn large_responses_are_compressed_on_request() {
    let (backend, gateway) = fixture(OrderStatus::Paid, &[]).await;
    let orders = (0..50).map(|_| order(OrderStatus::Paid)).collect();
    backend.set_list(ListOrdersResponse { orders, ..ListOrdersResponse::default() });
    for path in [
        "/orders?user_id=123",
        "/openapi.json",
        "/docs/swagger-ui.css",
        "/docs/swagger-ui-bundle.js",
        "/problems/",
        "/problems/internal",
    ] {
        let plain = get(&gateway, path, "br").await;
        assert_eq!((plain.status, plain.header("content-encoding")), (StatusCode::OK, ""), "{path}");
        for accepted in ["gzip", "br, gzip;q=0.5", "*", "gzip, identity;q=0"] {
            let short = get(&gateway, path, accepted).await;
            assert_eq!(short.header("content-encoding"), "gzip", "{path} for {accepted}");
            assert!(short.body.len() < plain.body.len() && unzipped(&short) == plain.body, "{path}");
            assert_eq!(short.header("etag"), plain.header("etag"), "{path}");
        }
        for response in [plain, get(&gateway, path, "gzip;q=0").await] {
            assert_eq!(response.headers.get_all("vary").iter().count(), 1, "{path}");
            assert!(response.header("vary").contains("accept-encoding"), "{path}");
            assert_eq!(response.header("content-encoding"), "", "{path}");
        }
    }
}

#[tokio::test]
async fn large_problem_is_compressed() {
    let (_order, gateway) = fixture(OrderStatus::Paid, &[]).await;
    let items: Vec<Value> = (0..100).map(|_| json!({})).collect();
    let body = json!({ "user_id": 1, "order_items": items }).to_string();
    let headers = [("content-type", "application/json"), ("accept-encoding", "gzip")];
    let rejected = gateway.client.exchange(&Method::POST, "/orders", &headers, body).await.unwrap();
    assert_eq!((rejected.status, rejected.header("content-encoding")), (StatusCode::BAD_REQUEST, "gzip"));
    assert_eq!(rejected.header("content-type"), "application/problem+json");
    let problem: Value = serde_json::from_slice(&unzipped(&rejected)).unwrap();
    assert_eq!(problem["status"], 400);
}

#[tokio::test]
async fn small_responses_and_images_are_not_compressed() {
    let (_order, gateway) = fixture(OrderStatus::Paid, &[]).await;
    for path in ["/orders/7", "/nothing", "/livez", "/docs", "/docs/favicon-32x32.png"] {
        let response = get(&gateway, path, "gzip").await;
        assert_eq!(response.header("content-encoding"), "", "{path}");
    }
}

#[tokio::test]
async fn head_response_has_the_headers_of_get_when_compressed() {
    let (_order, gateway) = fixture(OrderStatus::Paid, &[]).await;
    let headers = [("accept-encoding", "gzip")];
    let head = gateway.client.send(Method::HEAD, "/openapi.json", &headers, "").await;
    assert_eq!((head.status, head.header("content-encoding")), (StatusCode::OK, "gzip"));
    assert!(head.header("etag").starts_with("W/"));
}

#[tokio::test]
async fn unacceptable_encodings_fall_back_to_identity() {
    let (backend, gateway) = fixture(OrderStatus::Paid, &[]).await;
    backend.set_create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    for accepted in ["identity;q=0", "*;q=0", "br, *;q=0, identity;q=0"] {
        let headers = [("accept-encoding", accepted)];
        let placed = gateway.client.post_with(&headers, order_body(123, json!(0.12))).await;
        assert_eq!((placed.status, placed.order_id()), (StatusCode::CREATED, 12), "{accepted}");
        assert_eq!(read(&gateway, &headers).await.status, StatusCode::OK, "{accepted}");
    }
    backend.fail_all(&Status::not_found("there is no such order"));
    read(&gateway, &[("accept-encoding", "identity;q=0")]).await.problem();
}
