//! Customers, who write down what they were told, and send an order again with its key until it has ended.

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
use tokio::time::timeout;

/// How long a customer waits for an answer; every gateway here has a deadline that is shorter.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// Between two attempts with one key, unless the answer says how long to wait.
const PAUSE: Duration = Duration::from_millis(150);

/// One thing that somebody wants to buy, whatever it takes.
#[derive(Debug, Clone)]
pub(crate) struct Purchase {
    pub(crate) user: i64,
    pub(crate) key: String,
    pub(crate) minor: i64,
}

/// An attempt to buy it.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) sent: Instant,
    pub(crate) heard: Instant,
    /// `None` where there was no whole answer.
    pub(crate) answer: Option<Answer>,
}

/// What a gateway said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The problem's reason; empty for an order.
    pub(crate) reason: String,
    pub(crate) order: Option<i64>,
    pub(crate) replayed: bool,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

impl Answer {
    /// Whether asking again would only repeat it.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.status, 201 | 402 | 410)
    }
}

/// What one customer wanted, and was told, in order.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) purchase: Purchase,
    pub(crate) attempts: Vec<Attempt>,
}

impl Record {
    pub(crate) fn of(user: i64, key: impl Into<String>, minor: i64) -> Self {
        Self { purchase: Purchase { user, key: key.into(), minor }, attempts: Vec::new() }
    }

    pub(crate) fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.attempts.iter().filter_map(|attempt| attempt.answer.as_ref())
    }

    /// Whether the purchase has ended, as far as the customer knows.
    pub(crate) fn has_ended(&self) -> bool {
        self.answers().any(Answer::is_final)
    }
}

/// A way to the gateways of one house.
#[derive(Debug, Clone)]
pub(crate) struct Customers {
    gateways: Arc<[String]>,
    http: Http<HttpConnector, Full<Bytes>>,
    next: Arc<AtomicUsize>,
}

impl Customers {
    pub(crate) fn of(gateways: impl IntoIterator<Item = String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Http::builder(TokioExecutor::new()).build(connector);
        Self { gateways: gateways.into_iter().collect(), http, next: Arc::default() }
    }

    /// Tries once, at the gateways in turn, and writes down what came of it.
    pub(crate) async fn attempt(&self, record: &mut Record) -> Option<Answer> {
        let gateway = self.next.fetch_add(1, Ordering::Relaxed);
        self.attempt_at(gateway, record).await
    }

    /// Tries once at that gateway.
    pub(crate) async fn attempt_at(&self, gateway: usize, record: &mut Record) -> Option<Answer> {
        let sent = Instant::now();
        let answer = self.exchange(self.order_for(gateway, &record.purchase)).await;
        record.attempts.push(Attempt { sent, heard: Instant::now(), answer: answer.clone() });
        answer
    }

    /// Tries once, but hangs up after `patience`: who does so has no answer.
    pub(crate) async fn hang_up_after(&self, patience: Duration, record: &mut Record) {
        let sent = Instant::now();
        let _ = timeout(patience, self.exchange(self.order_for(0, &record.purchase))).await;
        record.attempts.push(Attempt { sent, heard: Instant::now(), answer: None });
    }

    /// Tries until the purchase has ended, or `until`. Tells whether it has.
    pub(crate) async fn insist(&self, record: &mut Record, until: Instant) -> bool {
        while !record.has_ended() && Instant::now() < until {
            let answer = self.attempt(record).await;
            if !record.has_ended() {
                let after = answer.and_then(|answer| answer.retry_after).map(Duration::from_secs);
                tokio::time::sleep(
                    after.unwrap_or(PAUSE).min(until.saturating_duration_since(Instant::now())),
                )
                .await;
            }
        }
        record.has_ended()
    }

    /// The order as a gateway shows it.
    pub(crate) async fn show(&self, order: i64) -> Option<Answer> {
        let gateway = self.next.fetch_add(1, Ordering::Relaxed) % self.gateways.len();
        let uri = format!("{}/orders/{order}", self.gateways[gateway]);
        self.exchange(Request::get(uri).body(Full::default()).expect("a request")).await
    }

    fn order_for(&self, gateway: usize, purchase: &Purchase) -> Request<Full<Bytes>> {
        let Purchase { user, key, minor } = purchase;
        let price = format!("{}.{:02}", minor / 100, minor % 100);
        let item = json!({ "product_code": "sku1", "unit_price": price, "quantity": 1 });
        let body = json!({ "user_id": user, "order_items": [item] }).to_string();
        let gateway = &self.gateways[gateway % self.gateways.len()];
        let request = Request::post(format!("{gateway}/orders"))
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        request.body(Full::from(body)).expect("a request")
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let exchanged = async {
            let response = self.http.request(request).await.ok()?;
            let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
            let (status, replayed) =
                (response.status().as_u16(), header("idempotent-replayed").as_deref() == Some("true"));
            let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
            let bytes = response.into_body().collect().await.ok()?.to_bytes();
            let body: Value = serde_json::from_slice(&bytes).ok()?;
            let reason = body["reason"].as_str().unwrap_or_default().to_owned();
            Some(Answer { status, reason, order: body["order_id"].as_i64(), replayed, retry_after, body })
        };
        timeout(ANSWER_MAX, exchanged).await.ok().flatten()
    }
}
