//! An HTTP client that holds every answer it reads against the OpenAPI document.

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

/// What a gateway answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An order of one piece of `sku1` at `unit_price`.
pub(crate) fn order_body(user: i64, unit_price: Value) -> Value {
    json!({ "user_id": user, "order_items": [{ "product_code": "sku1", "unit_price": unit_price, "quantity": 1 }] })
}

impl Client {
    /// A client of the gateway at `base`, `http://127.0.0.1:8080` for instance.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), http: Http::builder(TokioExecutor::new()).build(connector()) }
    }

    /// The same over HTTP/2 without TLS, by prior knowledge.
    pub(crate) fn over_http2(base: impl Into<String>) -> Self {
        let http = Http::builder(TokioExecutor::new()).http2_only(true).build(connector());
        Self { base: base.into(), http }
    }

    /// Sends any request; `path` begins with a slash.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let answer = self.exchange(&method, path, headers, body).await.expect("a whole answer");
        conformance::check(&method, path, &answer);
        answer
    }

    /// As [`send`](Self::send), whatever the answer is.
    ///
    /// # Errors
    ///
    /// There is no whole answer.
    pub(crate) async fn exchange(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Box<dyn Error>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.http.request(request.body(Full::new(body.into()))?).await?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }

    /// Posts a JSON body to `/orders`.
    pub(crate) async fn post(&self, body: impl ToString) -> Answer {
        self.post_with(&[], body).await
    }

    /// Posts a JSON body to `/orders` with further headers.
    pub(crate) async fn post_with(&self, headers: &[(&str, &str)], body: impl ToString) -> Answer {
        let all: Vec<_> = [("content-type", "application/json")].iter().chain(headers).copied().collect();
        self.send(Method::POST, "/orders", &all, body.to_string()).await
    }

    /// Gets `path`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }
}

/// Without it a body waits for the acknowledgement of its head.
fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The body as it stands.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// A header, or "" where it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("visible ASCII"))
    }

    /// The problem, of which the members that every problem has are checked.
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

    /// The id of the order, of an answer that has one.
    pub(crate) fn order_id(&self) -> i64 {
        self.json()["order_id"].as_i64().unwrap_or_else(|| panic!("no order_id: {:?}", self.body))
    }
}
