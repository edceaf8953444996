//! The public listener of the gateway gives no access to Payment.

use all_in_one::System;
use http::Method;

use crate::support::{Client, raw::RawConnection, scrape::calls};

/// A length-prefixed CreatePaymentRequest { user_id: 123, order_id: 12, total_price: 32 }.
const CREATE_PAYMENT: &[u8] = b"\0\0\0\0\x09\x08\x7b\x10\x0c\x1d\0\0\0\x42";

const PATHS: [&str; 18] = [
    "/payment",
    "/payments",
    "/payments/12",
    "/Payment",
    "/Payment/",
    "/Payment/Create",
    "/Payment/Get",
    "/Payment/Void",
    "/Payment.Create",
    "/Payment.Payment/Create",
    "/payment.Payment/Create",
    "//Payment/Create",
    "/%50ayment/Create",
    "/Payment%2FCreate",
    "/orders/../Payment/Create",
    "/orders/Payment/Create",
    "/Order/Create",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

async fn nothing_got_through(system: &System) {
    for method in ["Payment/Create", "Payment/Get", "Payment/Void", "unknown"] {
        assert_eq!(calls(system.payment_admin(), method).await, 0, "{method}");
    }
}

#[tokio::test]
async fn no_path_of_the_gateway_reaches_payment() {
    let system = System::start().await.unwrap();
    for client in [Client::new(system.gateway_url()), Client::over_http2(system.gateway_url())] {
        for path in PATHS {
            for method in [Method::GET, Method::POST, Method::PUT, Method::OPTIONS] {
                for kind in ["application/json", "application/grpc", "application/grpc-web+proto"] {
                    let headers = [("content-type", kind), ("te", "trailers")];
                    let response = client.send(method.clone(), path, &headers, CREATE_PAYMENT).await;
                    assert_eq!(response.status, 404, "{method} {path} {kind}");
                    response.problem();
                }
            }
        }
        // Existing routes reject gRPC.
        for (path, method, status) in
            [("/orders", Method::POST, 415), ("/livez", Method::POST, 405), ("/docs", Method::POST, 405)]
        {
            let headers = [("content-type", "application/grpc"), ("te", "trailers")];
            let response = client.send(method, path, &headers, CREATE_PAYMENT).await;
            assert_eq!(response.status, status, "{path}");
            response.problem();
        }
    }
    nothing_got_through(&system).await;
}

#[tokio::test]
async fn gateway_does_not_proxy() {
    let system = System::start().await.unwrap();
    let payment = system.payment_address();
    for head in [
        format!("POST http://{payment}/Payment/Create HTTP/1.1\r\nHost: {payment}\r\n"),
        format!("POST /Payment/Create HTTP/1.1\r\nHost: {payment}\r\nX-Forwarded-Host: {payment}\r\n"),
        format!("CONNECT {payment} HTTP/1.1\r\nHost: {payment}\r\n"),
        format!(
            "GET http://{payment}/ HTTP/1.1\r\nHost: {payment}\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        ),
    ] {
        let mut connection = RawConnection::open(system.gateway_address()).await;
        connection.send(format!("{head}Content-Length: 0\r\n\r\n")).await.unwrap();
        let response = connection.read_unchecked().await.unwrap().expect("a response");
        assert!([307, 400, 404, 405, 501].contains(&response.status.as_u16()), "{head}: {}", response.status);
        if response.status != 307 {
            response.problem();
        }
    }
    nothing_got_through(&system).await;
}
