//! Who may read answers from a page of another origin.

use http::{Method, StatusCode};
use proto::order::OrderStatus;
use tonic::{Code, Status};

use super::{read, rig};
use crate::{
    front::{EVERY_ASK, Front},
    support::Answer,
};

const SHOP: &str = "https://shop.example";
const ALLOWED: [(&str, &str); 1] = [("CORS_ALLOWED_ORIGINS", "https://shop.example, http://localhost:5173")];

async fn preflight(front: &Front, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,idempotency-key"),
    ];
    front.client.send(Method::OPTIONS, "/orders", &headers, "").await
}

fn lists(answer: &Answer, header: &str, names: &[&str]) {
    let listed: Vec<String> =
        answer.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    for name in names {
        assert!(listed.contains(&name.to_ascii_lowercase()), "{header} lacks {name}: {listed:?}");
    }
}

#[tokio::test]
async fn no_other_origin_is_let_in_unless_told() {
    let (_order, front) = rig(OrderStatus::Paid, &[]).await;
    assert_eq!(preflight(&front, SHOP).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let answer = read(&front, &[("origin", SHOP)]).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{answer:?}");
}

#[tokio::test]
async fn a_preflight_learns_what_a_listed_origin_may_send() {
    let (_order, front) = rig(OrderStatus::Paid, &ALLOWED).await;
    for origin in [SHOP, "http://localhost:5173"] {
        let answer = preflight(&front, origin).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert_eq!(answer.header("access-control-max-age"), "7200");
        lists(&answer, "access-control-allow-methods", &["GET", "HEAD", "POST"]);
        lists(
            &answer,
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
        lists(&answer, "vary", &["origin"]);
    }
    for stranger in ["https://evil.example", "https://shop.example.evil", "http://shop.example", "null"] {
        assert_eq!(preflight(&front, stranger).await.header("access-control-allow-origin"), "", "{stranger}");
    }
}

#[tokio::test]
async fn a_listed_origin_reads_answers_and_refusals() {
    let (backend, front) = rig(OrderStatus::Paid, &ALLOWED).await;
    let origin = [("origin", SHOP)];
    let mut answers = vec![read(&front, &origin).await];
    for path in ["/nothing", "/orders/x", "/orders?user_id=x", "/problems/nothing"] {
        answers.push(front.client.send(Method::GET, path, &origin, "").await);
    }
    answers.push(front.client.send(Method::DELETE, "/orders", &origin, "").await);
    for code in [Code::Unauthenticated, Code::ResourceExhausted, Code::Unavailable, Code::Internal] {
        backend.fail(&Status::new(code, "no"));
        for ask in EVERY_ASK {
            answers.push(front.ask(ask, &origin).await);
        }
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    for status in [200, 400, 401, 404, 405, 429, 500, 503] {
        assert!(statuses.contains(&status), "{status} is not among {statuses:?}");
    }
    for answer in answers {
        assert_eq!(answer.header("access-control-allow-origin"), SHOP, "{}", answer.status);
        let varies = answer.headers.get_all("vary").iter().any(|vary| vary.as_bytes().starts_with(b"origin"));
        assert!(varies, "{}: {:?}", answer.status, answer.headers);
        lists(
            &answer,
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
    let stranger = read(&front, &[("origin", "https://evil.example")]).await;
    assert_eq!(stranger.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn every_origin_may_read_where_all_may_and_none_with_credentials() {
    let (_order, front) = rig(OrderStatus::Paid, &[("CORS_ALLOWED_ORIGINS", "*")]).await;
    let answer = read(&front, &[("origin", "https://any.example")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn a_listed_origin_may_send_credentials_where_that_is_allowed() {
    let vars = [ALLOWED[0], ("CORS_ALLOW_CREDENTIALS", "true")];
    let (_order, front) = rig(OrderStatus::Paid, &vars).await;
    for answer in [read(&front, &[("origin", SHOP)]).await, preflight(&front, SHOP).await] {
        assert_eq!(answer.header("access-control-allow-origin"), SHOP);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
    }
}
