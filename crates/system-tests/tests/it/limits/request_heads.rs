//! Oversized and malformed request heads, and request smuggling.

use http::Method;

use super::{EXAMPLE, RawConnection, assert_still_serving, post, post_head, start};
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
async fn malformed_http_is_rejected() {
    let (_system, client, gateway) = start().await;
    for request in [
        "\r\n\r\nnonsense\r\n\r\n",
        "GET / HTTP/3.0\r\n\r\n",
        "GET /orders\r\n\r\n",
        "G\0T / HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense instead of frames",
    ] {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(request).await.unwrap();
        connection.send("\r\n\r\n").await.unwrap_or_default();
        if let Ok(Some(response)) = connection.read_unchecked().await {
            assert_eq!(response.status, 400, "{request:?}");
        }
    }
    assert_still_serving(&client).await;
}

/// Given two lengths, a proxy in front of the gateway may use the other one (request smuggling).
#[tokio::test]
async fn ambiguous_body_length_closes_the_connection() {
    let (_system, client, gateway) = start().await;
    let smuggled = format!("0\r\n\r\n{}", post("", EXAMPLE));
    let length = format!("Content-Length: {}\r\n", smuggled.len());
    for head in [
        format!("{length}Transfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\n{length}"),
        format!("Transfer-Encoding: chunked, identity\r\n{length}"),
        format!("Transfer-Encoding: xchunked\r\n{length}"),
        format!("{length}Content-Length: 5\r\n"),
        "Content-Length: 5, 6\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: +5\r\n".to_owned(),
        "Content-Length: 0x10\r\n".to_owned(),
        "Content-Length: 18446744073709551616\r\n".to_owned(),
    ] {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(post_head(&head) + &smuggled).await.unwrap();
        let response = connection.read_unchecked().await.unwrap().expect("a response");
        assert_eq!(response.status, 400, "{head}");
        assert!(connection.is_closed().await, "{head}");
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
