//! An HTTP client that places orders, records every response, and retries with the same idempotency key.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// The client's timeout per attempt. The deadline of every gateway under test is shorter.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);
/// The delay between two attempts with one key where the response has no `Retry-After`.
const RETRY_DELAY: Duration = Duration::from_millis(150);

/// An order of one item.
#[derive(Debug, Clone)]
pub struct OrderRequest {
    pub user: i64,
    /// The idempotency key.
    pub key: String,
    /// The price in minor units of USD.
    pub minor: i64,
}

/// One attempt to place the order.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub sent: Instant,
    pub received: Instant,
    /// `None` where no complete response arrived.
    pub response: Option<Response>,
}

/// A response of a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    pub status: u16,
    /// The problem's reason; empty for an order.
    pub reason: String,
    pub order: Option<i64>,
    pub replayed: bool,
    /// Seconds.
    pub retry_after: Option<u64>,
    pub body: Value,
}

impl Response {
    /// Whether every later request with the key gets the same outcome.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.status, 201 | 402 | 410)
    }
}

/// A request and its attempts, in order.
#[derive(Debug, Clone)]
pub struct History {
    pub request: OrderRequest,
    pub attempts: Vec<Attempt>,
}

impl History {
    pub fn new(user: i64, key: impl Into<String>, minor: i64) -> Self {
        Self { request: OrderRequest { user, key: key.into(), minor }, attempts: Vec::new() }
    }

    pub fn responses(&self) -> impl Iterator<Item = &Response> {
        self.attempts.iter().filter_map(|attempt| attempt.response.as_ref())
    }

    pub fn has_final_response(&self) -> bool {
        self.responses().any(Response::is_final)
    }
}

/// A client of several gateways, used in turn.
#[derive(Debug, Clone)]
pub struct Client {
    gateways: Arc<[String]>,
    http: Http<HttpConnector, Full<Bytes>>,
    next: Arc<AtomicUsize>,
}

impl Client {
    /// A client of the gateways at these URLs.
    pub fn new(gateways: impl IntoIterator<Item = String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Http::builder(TokioExecutor::new()).build(connector);
        Self { gateways: gateways.into_iter().collect(), http, next: Arc::default() }
    }

    #[must_use]
    pub fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// Sends the order once, to the next gateway, and records the attempt.
    pub async fn attempt(&self, history: &mut History) -> Option<Response> {
        let gateway = self.next.fetch_add(1, Ordering::Relaxed);
        self.attempt_at(gateway, history).await
    }

    /// Sends the order once, to the gateway of this index (modulo their number), and records the attempt.
    pub async fn attempt_at(&self, gateway: usize, history: &mut History) -> Option<Response> {
        let sent = Instant::now();
        let response = self.send(self.order_request(gateway, &history.request)).await;
        history.attempts.push(Attempt { sent, received: Instant::now(), response: response.clone() });
        response
    }

    /// Sends the order once, and closes the connection at `event` unless the response arrived before it.
    pub async fn disconnect_when(&self, event: impl Future<Output = ()>, history: &mut History) {
        let sent = Instant::now();
        let response = tokio::select! {
            response = self.send(self.order_request(0, &history.request)) => response,
            () = event => None,
        };
        history.attempts.push(Attempt { sent, received: Instant::now(), response });
    }

    /// Retries until a final response or `until`. Returns whether there was a final response.
    pub async fn retry_until_final(&self, history: &mut History, until: Instant) -> bool {
        while !history.has_final_response() && Instant::now() < until {
            let response = self.attempt(history).await;
            if !history.has_final_response() {
                let retry_after = response.and_then(|response| response.retry_after);
                let delay = retry_after.map_or(RETRY_DELAY, Duration::from_secs);
                sleep(delay.min(until.saturating_duration_since(Instant::now()))).await;
            }
        }
        history.has_final_response()
    }

    /// `GET /orders/{id}` at the next gateway.
    pub async fn get_order(&self, order: i64) -> Option<Response> {
        self.get_order_at(self.next.fetch_add(1, Ordering::Relaxed), order).await
    }

    /// `GET /orders/{id}` at the gateway of this index (modulo their number).
    pub async fn get_order_at(&self, gateway: usize, order: i64) -> Option<Response> {
        let uri = format!("{}/orders/{order}", self.gateways[gateway % self.gateways.len()]);
        self.send(Request::get(uri).body(Full::default()).expect("a valid request")).await
    }

    /// How many orders of `user` the first page of `GET /orders` contains.
    pub async fn orders_of(&self, user: i64) -> Option<usize> {
        let uri = format!("{}/orders?user_id={user}", self.gateways[0]);
        let response = self.send(Request::get(uri).body(Full::default()).expect("a valid request")).await?;
        response.body["orders"].as_array().map(Vec::len)
    }

    fn order_request(&self, gateway: usize, request: &OrderRequest) -> Request<Full<Bytes>> {
        let OrderRequest { user, key, minor } = request;
        let price = format!("{}.{:02}", minor / 100, minor % 100);
        let item = json!({ "product_code": "sku1", "unit_price": price, "quantity": 1 });
        let body = json!({ "user_id": user, "order_items": [item] }).to_string();
        let gateway = &self.gateways[gateway % self.gateways.len()];
        let request = Request::post(format!("{gateway}/orders"))
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        request.body(Full::from(body)).expect("a valid request")
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Option<Response> {
        let exchange = async {
            let response = self.http.request(request).await.ok()?;
            let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
            let status = response.status().as_u16();
            let replayed = header("idempotent-replayed").as_deref() == Some("true");
            let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
            let bytes = response.into_body().collect().await.ok()?.to_bytes();
            let body: Value = serde_json::from_slice(&bytes).ok()?;
            let reason = body["reason"].as_str().unwrap_or_default().to_owned();
            Some(Response { status, reason, order: body["order_id"].as_i64(), replayed, retry_after, body })
        };
        timeout(RESPONSE_TIMEOUT, exchange).await.ok().flatten()
    }
}
