//! Responses compared with each other: HEAD with GET, encoded targets with plain ones; and CORS.

use std::collections::BTreeMap;

use all_in_one::Options;
use http::Method;

use super::{
    exchange::{Sending, run_all},
    table::{Values, cases},
};
use crate::support::{EXAMPLE, Response, start_system};

/// Fields whose values differ from request to request.
const CHANGING: [&str; 3] = ["date", "x-request-id", "connection"];

/// The fields of a response without the [`CHANGING`] ones.
fn fields(response: &Response) -> BTreeMap<String, Vec<u8>> {
    let fields = response.headers.iter().filter(|(name, _)| !CHANGING.contains(&name.as_str()));
    fields.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

/// RFC 9110, section 9.3.2: the same fields, also those of the content.
#[tokio::test]
async fn head_has_the_fields_of_get() {
    let (_system, client) = start_system(Options::default()).await;
    let order = format!("/orders/{}", client.post(EXAMPLE).await.order_id());
    let tag = client.get("/openapi.json").await.header("etag").to_owned();
    let matches = ("if-none-match", tag.as_str());
    let mut failures = Vec::new();
    for (path, headers) in [
        ("/livez", &[][..]),
        ("/readyz", &[]),
        ("/orders?user_id=123", &[]),
        (&order, &[]),
        (&order, &[("if-match", "*")]),
        (&order, &[("if-match", "\"x\"")]),
        (&order, &[("prefer", "wait=1")]),
        ("/orders", &[]),
        ("/orders/1", &[]),
        ("/orders/x", &[]),
        ("/nothing", &[]),
        ("/openapi.json", &[]),
        ("/openapi.json", &[("accept-encoding", "gzip")]),
        ("/openapi.json", &[matches]),
        ("/openapi.json", &[matches, ("accept-encoding", "gzip")]),
        ("/docs", &[]),
        ("/docs", &[("if-none-match", "*")]),
        ("/docs/swagger-ui.css", &[]),
        ("/docs/nothing.js", &[]),
        ("/problems/", &[]),
        ("/problems/internal", &[]),
        ("/problems/internal", &[("if-none-match", "*")]),
        ("/", &[]),
        ("/orders?user_id=123", &[("accept", "text/html")]),
    ] {
        let get = client.exchange(&Method::GET, path, headers, "").await.unwrap();
        let head = client.exchange(&Method::HEAD, path, headers, "").await.unwrap();
        if (get.status, fields(&get)) != (head.status, fields(&head)) || !head.body.is_empty() {
            failures.push(format!("{path} {headers:?}\n  GET  {get:?}\n  HEAD {head:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// RFC 3986, section 6.2.2: an encoded unreserved character is the character.
#[tokio::test]
async fn encoded_unreserved_characters_are_the_characters() {
    let (_system, client) = start_system(Options::default()).await;
    let order = format!("/orders/{}", client.post(EXAMPLE).await.order_id());
    let mut failures = Vec::new();
    for path in [&order, "/openapi.json", "/livez", "/problems/not-found"] {
        let plain = client.get(path).await;
        let last = path.len() - 1;
        for encoded in [encoded(path, 0, false), encoded(path, 0, true), encoded(path, last, true)] {
            let response = client.exchange(&Method::GET, &encoded, &[], "").await.unwrap();
            let same = (response.status, fields(&response)) == (plain.status, fields(&plain));
            if !same || response.body != plain.body {
                failures.push(format!("{encoded}: {}", response.status));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The path with every character but slashes encoded, from a position on.
fn encoded(path: &str, from: usize, upper_case: bool) -> String {
    let encode = |(position, byte): (usize, u8)| match (position < from || byte == b'/', upper_case) {
        (true, _) => char::from(byte).to_string(),
        (false, true) => format!("%{byte:02X}"),
        (false, false) => format!("%{byte:02x}"),
    };
    path.bytes().enumerate().map(encode).collect()
}

#[tokio::test]
async fn cors() {
    let options = Options::default().var("CORS_ALLOWED_ORIGINS", "https://shop.example");
    let (system, client) = start_system(options).await;
    let cases = cases(include_str!("cors.txt"), &Values { tag: String::new(), first_user: 100_000 });
    run_all(system.gateway_address(), &client, cases, Sending::Whole).await;
}
