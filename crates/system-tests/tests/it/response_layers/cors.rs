//! Cross-origin requests (CORS).

use http::{Method, StatusCode};
use proto::order::OrderStatus;
use tonic::{Code, Status};

use super::{fixture, read};
use crate::{
    gateway_fixture::{ALL_OPERATIONS, GatewayFixture},
    support::Response,
};

const SHOP: &str = "https://shop.example";
const ALLOWED: [(&str, &str); 1] = [("CORS_ALLOWED_ORIGINS", "https://shop.example, http://localhost:5173")];

async fn preflight(gateway: &GatewayFixture, origin: &str) -> Response {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,idempotency-key"),
    ];
    gateway.client.send(Method::OPTIONS, "/orders", &headers, "").await
}

fn lists(response: &Response, header: &str, names: &[&str]) {
    let listed: Vec<String> =
        response.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    for name in names {
        assert!(listed.contains(&name.to_ascii_lowercase()), "{header} lacks {name}: {listed:?}");
    }
}

#[tokio::test]
async fn cors_is_off_by_default() {
    let (_order, gateway) = fixture(OrderStatus::Paid, &[]).await;
    assert_eq!(preflight(&gateway, SHOP).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let response = read(&gateway, &[("origin", SHOP)]).await;
    assert!(
        response.headers.keys().all(|name| !name.as_str().starts_with("access-control-")),
        "{response:?}"
    );
}

#[tokio::test]
async fn preflight_lists_methods_and_headers_for_an_allowed_origin() {
    let (_order, gateway) = fixture(OrderStatus::Paid, &ALLOWED).await;
    for origin in [SHOP, "http://localhost:5173"] {
        let response = preflight(&gateway, origin).await;
        assert_eq!((response.status, response.body.len()), (StatusCode::OK, 0));
        assert_eq!(response.header("access-control-allow-origin"), origin);
        assert_eq!(response.header("access-control-allow-credentials"), "");
        assert_eq!(response.header("access-control-max-age"), "7200");
        lists(&response, "access-control-allow-methods", &["GET", "HEAD", "POST"]);
        lists(
            &response,
            "access-control-allow-headers",
            &[
                "Content-Type",
                "Idempotency-Key",
                "Authorization",
                "X-Request-Id",
                "Grpc-Timeout",
                "If-None-Match",
                "Prefer",
                "traceparent",
            ],
        );
        lists(&response, "vary", &["origin"]);
    }
    for other_origin in ["https://evil.example", "https://shop.example.evil", "http://shop.example", "null"] {
        assert_eq!(
            preflight(&gateway, other_origin).await.header("access-control-allow-origin"),
            "",
            "{other_origin}"
        );
    }
}

#[tokio::test]
async fn allowed_origin_reads_every_response() {
    let (backend, gateway) = fixture(OrderStatus::Paid, &ALLOWED).await;
    let origin = [("origin", SHOP)];
    let mut responses = vec![read(&gateway, &origin).await];
    for path in ["/nothing", "/orders/x", "/orders?user_id=x", "/problems/nothing"] {
        responses.push(gateway.client.send(Method::GET, path, &origin, "").await);
    }
    responses.push(gateway.client.send(Method::DELETE, "/orders", &origin, "").await);
    for code in [Code::Unauthenticated, Code::ResourceExhausted, Code::Unavailable, Code::Internal] {
        backend.fail_all(&Status::new(code, "no"));
        for operation in ALL_OPERATIONS {
            responses.push(gateway.call(operation, &origin).await);
        }
    }
    let statuses: Vec<u16> = responses.iter().map(|response| response.status.as_u16()).collect();
    for status in [200, 400, 401, 404, 405, 429, 500, 503] {
        assert!(statuses.contains(&status), "{status} is not among {statuses:?}");
    }
    for response in responses {
        assert_eq!(response.header("access-control-allow-origin"), SHOP, "{}", response.status);
        let varies =
            response.headers.get_all("vary").iter().any(|vary| vary.as_bytes().starts_with(b"origin"));
        assert!(varies, "{}: {:?}", response.status, response.headers);
        lists(
            &response,
            "access-control-expose-headers",
            &[
                "Location",
                "Idempotency-Key",
                "Idempotent-Replayed",
                "Retry-After",
                "X-Request-Id",
                "ETag",
                "RateLimit",
                "RateLimit-Policy",
                "Link",
                "Preference-Applied",
            ],
        );
    }
    let other_origin = read(&gateway, &[("origin", "https://evil.example")]).await;
    assert_eq!(other_origin.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn wildcard_origin_allows_no_credentials() {
    let (_order, gateway) = fixture(OrderStatus::Paid, &[("CORS_ALLOWED_ORIGINS", "*")]).await;
    let response = read(&gateway, &[("origin", "https://any.example")]).await;
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert_eq!(response.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn credentials_are_allowed_when_configured() {
    let vars = [ALLOWED[0], ("CORS_ALLOW_CREDENTIALS", "true")];
    let (_order, gateway) = fixture(OrderStatus::Paid, &vars).await;
    for response in [read(&gateway, &[("origin", SHOP)]).await, preflight(&gateway, SHOP).await] {
        assert_eq!(response.header("access-control-allow-origin"), SHOP);
        assert_eq!(response.header("access-control-allow-credentials"), "true");
    }
}
