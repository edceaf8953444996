//! What travels compressed.

use std::io::Read;

use flate2::read::GzDecoder;
use http::{Method, StatusCode};
use proto::order::{CreateOrderResponse, ListOrdersResponse, OrderStatus};
use serde_json::{Value, json};
use tonic::Status;

use super::{order, read, rig};
use crate::{
    front::Front,
    support::{Answer, order_body},
};

async fn get(front: &Front, path: &str, accepted: &str) -> Answer {
    front.client.exchange(&Method::GET, path, &[("accept-encoding", accepted)], "").await.expect("an answer")
}

fn unzipped(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).expect("gzip");
    plain
}

#[tokio::test]
async fn long_texts_are_compressed_for_whoever_takes_that() {
    let (backend, front) = rig(OrderStatus::Paid, &[]).await;
    let orders = (0..50).map(|_| order(OrderStatus::Paid)).collect();
    backend.list(ListOrdersResponse { orders, ..ListOrdersResponse::default() });
    for path in [
        "/orders?user_id=123",
        "/openapi.json",
        "/docs/swagger-ui.css",
        "/docs/swagger-ui-bundle.js",
        "/problems/",
        "/problems/internal",
    ] {
        let plain = get(&front, path, "br").await;
        assert_eq!((plain.status, plain.header("content-encoding")), (StatusCode::OK, ""), "{path}");
        for accepted in ["gzip", "br, gzip;q=0.5", "*", "gzip, identity;q=0"] {
            let short = get(&front, path, accepted).await;
            assert_eq!(short.header("content-encoding"), "gzip", "{path} for {accepted}");
            assert!(short.body.len() < plain.body.len() && unzipped(&short) == plain.body, "{path}");
            assert_eq!(short.header("etag"), plain.header("etag"), "{path}");
        }
        for answer in [plain, get(&front, path, "gzip;q=0").await] {
            assert_eq!(answer.headers.get_all("vary").iter().count(), 1, "{path}");
            assert!(answer.header("vary").contains("accept-encoding"), "{path}");
            assert_eq!(answer.header("content-encoding"), "", "{path}");
        }
    }
}

#[tokio::test]
async fn a_long_problem_is_compressed_too() {
    let (_order, front) = rig(OrderStatus::Paid, &[]).await;
    let items: Vec<Value> = (0..100).map(|_| json!({})).collect();
    let body = json!({ "user_id": 1, "order_items": items }).to_string();
    let headers = [("content-type", "application/json"), ("accept-encoding", "gzip")];
    let refused = front.client.exchange(&Method::POST, "/orders", &headers, body).await.unwrap();
    assert_eq!((refused.status, refused.header("content-encoding")), (StatusCode::BAD_REQUEST, "gzip"));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let problem: Value = serde_json::from_slice(&unzipped(&refused)).unwrap();
    assert_eq!(problem["status"], 400);
}

#[tokio::test]
async fn short_answers_and_pictures_are_left_as_they_are() {
    let (_order, front) = rig(OrderStatus::Paid, &[]).await;
    for path in ["/orders/7", "/nothing", "/livez", "/docs", "/docs/favicon-32x32.png"] {
        let answer = get(&front, path, "gzip").await;
        assert_eq!(answer.header("content-encoding"), "", "{path}");
    }
}

#[tokio::test]
async fn the_head_of_an_answer_is_that_of_the_whole() {
    let (_order, front) = rig(OrderStatus::Paid, &[]).await;
    let headers = [("accept-encoding", "gzip")];
    let head = front.client.send(Method::HEAD, "/openapi.json", &headers, "").await;
    assert_eq!((head.status, head.header("content-encoding")), (StatusCode::OK, "gzip"));
    assert!(head.header("etag").starts_with("W/"));
}

#[tokio::test]
async fn whoever_takes_nothing_at_all_is_answered_in_plain() {
    let (backend, front) = rig(OrderStatus::Paid, &[]).await;
    backend.create(CreateOrderResponse { order_id: 12, ..CreateOrderResponse::default() });
    for accepted in ["identity;q=0", "*;q=0", "br, *;q=0, identity;q=0"] {
        let headers = [("accept-encoding", accepted)];
        let placed = front.client.post_with(&headers, order_body(123, json!(0.12))).await;
        assert_eq!((placed.status, placed.order_id()), (StatusCode::CREATED, 12), "{accepted}");
        assert_eq!(read(&front, &headers).await.status, StatusCode::OK, "{accepted}");
    }
    backend.fail(&Status::not_found("there is no such order"));
    read(&front, &[("accept-encoding", "identity;q=0")]).await.problem();
}
