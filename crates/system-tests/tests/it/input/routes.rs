//! Unknown paths, unsupported methods and media types.

use http::Method;
use serde_json::json;

use super::{EXAMPLE, InputFixture, JSON};

/// Paths separated by white space.
const UNKNOWN_PATHS: &str =
    "/nothing /order /Orders /ORDERS /orders/ //orders /orders// /orders/1/ /orders/1/items
    /./orders /api/orders /orders%2F1 /orders.json /order%73/ /metrics /admin /debug/pprof
    /problems/../orders /docs/../Cargo.toml /openapi.yaml /openapi.json/ /favicon.ico /.env /%00
    /%FF /%E6%97%A5";

#[tokio::test]
async fn unknown_paths_get_404() {
    let fixture = InputFixture::start().await;
    let everywhere = UNKNOWN_PATHS.split_whitespace().flat_map(|path| {
        [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS].map(|method| (method, path))
    });
    // Paths below a route that allows GET only.
    let below = ["/problems/nothing", "/docs/nothing.js", "/docs/%2e%2e", "/docs/%FF"];
    for (method, path) in everywhere.chain(below.map(|path| (Method::GET, path))) {
        let response = fixture.client.send(method.clone(), path, &[JSON], EXAMPLE).await;
        assert_eq!(response.status, 404, "{method} {path}");
        let problem = response.problem();
        assert_eq!(
            (&problem["type"], &problem["code"]),
            (&json!("/problems/not-found"), &json!("NOT_FOUND"))
        );
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn unsupported_methods_get_405_with_allow() {
    let fixture = InputFixture::start().await;
    let others = [Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE];
    for (path, offered) in [
        ("/orders", &["GET", "HEAD", "POST"][..]),
        ("/orders/1", &["GET", "HEAD"]),
        ("/livez", &["GET", "HEAD"]),
        ("/readyz", &["GET", "HEAD"]),
        ("/openapi.json", &["GET", "HEAD"]),
        ("/docs", &["GET", "HEAD"]),
        ("/docs/", &["GET", "HEAD"]),
        ("/docs/swagger-ui.css", &["GET", "HEAD"]),
        ("/", &["GET", "HEAD"]),
        ("/swagger-ui", &["GET", "HEAD"]),
        ("/problems", &["GET", "HEAD"]),
        ("/problems/", &["GET", "HEAD"]),
        ("/problems/internal", &["GET", "HEAD"]),
    ] {
        let posted = (!offered.contains(&"POST")).then_some(Method::POST);
        for method in others.iter().chain(&posted) {
            let response = fixture.client.send(method.clone(), path, &[JSON], EXAMPLE).await;
            assert_eq!(response.status, 405, "{method} {path}");
            let mut allowed: Vec<&str> = response.header("allow").split(',').map(str::trim).collect();
            allowed.sort_unstable();
            assert_eq!(allowed, offered, "{method} {path}");
            assert_eq!(response.headers.get_all("allow").iter().count(), 1);
            assert_eq!(response.problem()["code"], "UNIMPLEMENTED");
        }
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn head_equals_get_without_the_body() {
    let fixture = InputFixture::start().await;
    let order = format!("/orders/{}", fixture.client.post(EXAMPLE).await.order_id());
    for (path, status) in [
        (order.as_str(), 200),
        ("/orders?user_id=123", 200),
        ("/orders", 400),
        ("/orders/1", 404),
        ("/nothing", 404),
        ("/livez", 200),
        ("/openapi.json", 200),
        ("/docs", 200),
        ("/", 307),
    ] {
        let get = fixture.client.get(path).await;
        let head = fixture.client.send(Method::HEAD, path, &[], "").await;
        assert_eq!((head.status.as_u16(), head.status), (status, get.status), "{path}");
        for name in ["content-type", "location", "allow"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn accept_without_json_gets_406() {
    let fixture = InputFixture::start().await;
    for accept in [
        "text/html",
        "text/*, image/png",
        "application/xml",
        "application/json;q=0",
        "*/*;q=0",
        "application/*;q=0.0",
    ] {
        for (method, path) in
            [(Method::POST, "/orders"), (Method::GET, "/orders?user_id=123"), (Method::GET, "/orders/1")]
        {
            let response = fixture.client.send(method, path, &[JSON, ("accept", accept)], EXAMPLE).await;
            assert_eq!(response.status, 406, "{accept} {path}");
            let problem = response.problem();
            assert_eq!(
                (&problem["code"], &problem["retryable"]),
                (&json!("INVALID_ARGUMENT"), &json!(false))
            );
        }
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn accept_with_json_among_others_is_served() {
    let fixture = InputFixture::start().await;
    for accept in [
        "",
        "*/*",
        "application/*",
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "text/html, application/json;q=0.1",
        "text/html;q=0.9,*/*;q=0.1",
        "application/problem+json",
        "nonsense",
    ] {
        let response = fixture.client.post_with(&[("accept", accept)], EXAMPLE).await;
        assert_eq!(
            (response.status.as_u16(), response.header("content-type")),
            (201, "application/json"),
            "{accept}"
        );
    }
    let two = [("accept", "text/html"), ("accept", "application/json")];
    assert_eq!(fixture.client.post_with(&two, EXAMPLE).await.status, 201);
}

#[tokio::test]
async fn unsupported_media_types_get_415() {
    let fixture = InputFixture::start().await;
    for headers in [
        &[][..],
        &[("content-type", "")],
        &[("content-type", "json")],
        &[("content-type", "text/plain")],
        &[("content-type", "text/json")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "multipart/form-data; boundary=x")],
        &[("content-type", "application/xml")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "application/ld+json")],
        &[("content-type", "application/problem+json")],
        &[("content-type", "application/grpc")],
        &[("content-type", "application/json, text/plain")],
        &[JSON, JSON],
        &[JSON, ("content-type", "text/plain")],
        &[JSON, ("content-encoding", "gzip")],
        &[JSON, ("content-encoding", "br, identity")],
    ] {
        let response = fixture.client.send(Method::POST, "/orders", headers, EXAMPLE).await;
        assert_eq!(response.status, 415, "{headers:?}");
        let problem = response.problem();
        assert_eq!((&problem["code"], &problem["retryable"]), (&json!("INVALID_ARGUMENT"), &json!(false)));
    }
    fixture.assert_no_order_created().await;
}

#[tokio::test]
async fn json_with_a_utf_8_charset_is_accepted() {
    let fixture = InputFixture::start().await;
    for kind in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json ; charset=\"UTF-8\"",
    ] {
        let response = fixture.client.send(Method::POST, "/orders", &[("content-type", kind)], EXAMPLE).await;
        assert_eq!(response.status, 201, "{kind}");
    }
}
