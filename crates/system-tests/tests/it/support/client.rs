//! An HTTP client that validates every response against the OpenAPI document.

use std::error::Error;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use super::conformance;

/// A client of one gateway.
#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    http: Http<HttpConnector, Full<Bytes>>,
}

/// A response of the gateway.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The body of an order of one `sku1` at `unit_price`.
pub(crate) fn order_body(user: i64, unit_price: Value) -> Value {
    json!({ "user_id": user, "order_items": [{ "product_code": "sku1", "unit_price": unit_price, "quantity": 1 }] })
}

impl Client {
    /// A client of the gateway at `base`, for example `http://127.0.0.1:8080`.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), http: Http::builder(TokioExecutor::new()).build(connector()) }
    }

    /// A client that uses HTTP/2 over plain text with prior knowledge.
    pub(crate) fn over_http2(base: impl Into<String>) -> Self {
        let http = Http::builder(TokioExecutor::new()).http2_only(true).build(connector());
        Self { base: base.into(), http }
    }

    /// Sends a request; `path` begins with a slash.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response {
        let response = self.exchange(&method, path, headers, body).await.expect("a whole response");
        conformance::check(&method, path, &response);
        response
    }

    /// [`send`](Self::send) without the validation.
    ///
    /// # Errors
    ///
    /// The response is incomplete or missing.
    pub(crate) async fn exchange(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response, Box<dyn Error>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.http.request(request.body(Full::new(body.into()))?).await?;
        let (head, body) = response.into_parts();
        Ok(Response { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }

    /// Posts a JSON body to `/orders`.
    pub(crate) async fn post(&self, body: impl ToString) -> Response {
        self.post_with(&[], body).await
    }

    /// Posts a JSON body to `/orders` with further headers.
    pub(crate) async fn post_with(&self, headers: &[(&str, &str)], body: impl ToString) -> Response {
        let all: Vec<_> = [("content-type", "application/json")].iter().chain(headers).copied().collect();
        self.send(Method::POST, "/orders", &all, body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }
}

/// Without TCP_NODELAY a body waits for the acknowledgement of its head.
fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The value of a header, or "" if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("visible ASCII"))
    }

    /// Asserts the members that every problem has, and returns the problem.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header(header::CONTENT_TYPE.as_str()), "application/problem+json", "{:?}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert_eq!(problem["instance"], format!("urn:uuid:{}", self.header("x-request-id")));
        assert!(
            problem["title"].is_string()
                && problem["detail"].is_string()
                && problem["retryable"].is_boolean()
        );
        problem
    }

    /// The `order_id` member of the body.
    pub(crate) fn order_id(&self) -> i64 {
        self.json()["order_id"].as_i64().unwrap_or_else(|| panic!("no order_id: {:?}", self.body))
    }
}
