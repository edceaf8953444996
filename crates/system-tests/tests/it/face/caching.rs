//! Who may keep an answer, and how a caller learns that what it kept still holds.

use http::{Method, StatusCode};
use proto::order::OrderStatus;
use serde_json::json;

use super::{order, read, rig};
use crate::{front::ORDER_ID, support::order_body};

const FINAL: [OrderStatus; 3] = [OrderStatus::Paid, OrderStatus::Declined, OrderStatus::Voided];

#[tokio::test]
async fn nobody_keeps_what_may_change() {
    let (backend, front) = rig(OrderStatus::Pending, &[]).await;
    for status in [OrderStatus::Pending, OrderStatus::NotCharged] {
        backend.get(order(status));
        for known in ["*", "W/\"x\""] {
            let answer = read(&front, &[("if-none-match", known)]).await;
            assert_eq!(
                (answer.status, answer.header("cache-control")),
                (StatusCode::OK, "no-store"),
                "{status:?}"
            );
            assert_eq!(answer.header("etag"), "", "{status:?}");
        }
    }
    let placed = front.client.post(order_body(123, json!(0.12))).await;
    let listed = front.client.get("/orders?user_id=1").await;
    for answer in [placed, listed, front.client.get("/nothing").await, front.client.get("/livez").await] {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.status);
    }
}

#[tokio::test]
async fn a_final_order_is_told_once_and_then_confirmed() {
    let (backend, front) = rig(OrderStatus::Paid, &[]).await;
    for status in FINAL {
        backend.get(order(status));
        let told = read(&front, &[]).await;
        let tag = told.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
        for known in [&tag, tag.trim_start_matches("W/"), "*", &format!("\"x\",{tag}")] {
            for method in [Method::GET, Method::HEAD] {
                let asked = [("if-none-match", known), ("accept-encoding", "gzip")];
                let confirmed = front.client.send(method, &format!("/orders/{ORDER_ID}"), &asked, "").await;
                assert_eq!(confirmed.status, StatusCode::NOT_MODIFIED, "{known}");
                assert!(confirmed.body.is_empty());
                for name in ["etag", "cache-control", "vary"] {
                    assert_eq!(confirmed.header(name), told.header(name), "{name}");
                }
                assert_eq!(confirmed.header("content-type"), "");
            }
        }
        assert_eq!(told.header("cache-control"), "private, no-cache");
        assert_eq!(told.header("vary"), "accept-encoding, authorization, prefer");
        for unknown in ["\"x\"", "nonsense", "*, \"x\"", tag.trim_matches('"')] {
            let again = read(&front, &[("if-none-match", unknown)]).await;
            assert_eq!((again.status, again.text()), (StatusCode::OK, told.text()), "{unknown}");
        }
    }
}

#[tokio::test]
async fn two_orders_that_differ_have_two_tags() {
    let (backend, front) = rig(OrderStatus::Paid, &[]).await;
    let paid = read(&front, &[]).await;
    assert_eq!(read(&front, &[]).await.header("etag"), paid.header("etag"));
    backend.get(order(OrderStatus::Voided));
    let voided = read(&front, &[("if-none-match", paid.header("etag"))]).await;
    assert_eq!(voided.status, StatusCode::OK);
    assert_ne!(voided.header("etag"), paid.header("etag"));
}

#[tokio::test]
async fn a_refusal_is_no_confirmation() {
    let (backend, front) = rig(OrderStatus::Paid, &[]).await;
    backend.fail(&tonic::Status::not_found("there is no such order"));
    let missing = read(&front, &[("if-none-match", "*")]).await;
    assert_eq!((missing.status, missing.header("etag")), (StatusCode::NOT_FOUND, ""));
    missing.problem();
}

#[tokio::test]
async fn the_documentation_is_asked_for_again_and_sent_once() {
    let (_order, front) = rig(OrderStatus::Paid, &[]).await;
    for path in ["/docs", "/docs/", "/docs/swagger-ui-bundle.js", "/docs/index.css", "/openapi.json"] {
        let sent = front.client.get(path).await;
        assert_eq!((sent.status, sent.header("cache-control")), (StatusCode::OK, "no-cache"), "{path}");
        let known = [("if-none-match", sent.header("etag"))];
        let confirmed = front.client.send(Method::GET, path, &known, "").await;
        assert_eq!((confirmed.status, confirmed.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        // A cache puts the headers of a 304 in place of those that it has.
        for name in ["content-security-policy", "cache-control", "vary", "etag"] {
            assert_eq!(confirmed.header(name), sent.header(name), "{name} of {path}");
        }
    }
}
