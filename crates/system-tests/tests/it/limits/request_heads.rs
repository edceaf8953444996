//! Oversized request heads, and the versions of HTTP. Tests in `wire` send malformed heads.

use http::Method;

use super::{EXAMPLE, RawConnection, assert_still_serving, post, start};
use crate::support::Client;

/// hyper rejects these requests before the gateway can respond with a problem.
#[tokio::test]
async fn oversized_request_head_is_rejected() {
    let (_system, client, gateway) = start().await;
    let many: String = (0..1_000).map(|i| format!("X-{i}: 1\r\n")).collect();
    for (what, request) in [
        ("a long header", post(&format!("X-Long: {}\r\n", "x".repeat(100_000)), EXAMPLE)),
        ("many headers", post(&many, EXAMPLE)),
        ("a long address", format!("GET /{} HTTP/1.1\r\nHost: gateway\r\n\r\n", "x".repeat(100_000))),
        ("no end", format!("GET / HTTP/1.1\r\n{}", "X: 1\r\n".repeat(50_000))),
    ] {
        let mut connection = RawConnection::open(gateway).await;
        // The gateway may close the connection before it has read everything.
        let _ = connection.send(request).await;
        if let Ok(Some(response)) = connection.read_unchecked().await {
            assert!([414, 431].contains(&response.status.as_u16()), "{what}: {}", response.status);
        }
        assert!(connection.is_closed().await, "{what}");
    }
    assert_still_serving(&client).await;
}

#[tokio::test]
async fn http_1_0_and_http_2_are_served() {
    let (system, client, gateway) = start().await;
    let mut connection = RawConnection::open(gateway).await;
    connection.send(post("", EXAMPLE).replace("HTTP/1.1", "HTTP/1.0")).await.unwrap();
    assert_eq!(connection.read_order_response().await.status, 201);
    assert!(connection.is_closed().await);

    let http2 = Client::over_http2(system.gateway_url());
    let placed = http2.post(EXAMPLE).await;
    assert_eq!(placed.status, 201);
    assert_eq!(http2.get(placed.header("location")).await.text(), placed.text());
    assert_eq!(client.get(placed.header("location")).await.text(), placed.text());
    assert_eq!(http2.post("{").await.problem()["status"], 400);
    assert_eq!(http2.get("/nothing").await.problem()["status"], 404);
    let flood = "x".repeat(100_000);
    assert_eq!(http2.get("/livez").await.status, 200);
    let rejected = http2.exchange(&Method::GET, "/livez", &[("x-long", &flood)], "").await;
    assert!(rejected.as_ref().map_or(true, |response| response.status == 431), "{rejected:?}");
    assert_eq!(http2.post(EXAMPLE).await.status, 201);
}
