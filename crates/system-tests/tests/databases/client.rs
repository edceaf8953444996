//! A customer who keeps what it was told, and sends an order again with its key until it is settled.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use test_support::{Failed, server::Server};

/// Between two attempts with one key.
const PAUSE: Duration = Duration::from_millis(100);

/// A client of some gateways, one in turn after the other.
#[derive(Clone)]
pub(crate) struct Client {
    gateways: Vec<String>,
    http: Http<HttpConnector, Full<Bytes>>,
}

/// One order that somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) number: usize,
}

impl Wish {
    pub(crate) const PRICE_MINOR: usize = 12;

    fn user(&self) -> usize {
        self.number % 1000 + 1
    }

    pub(crate) fn key(&self) -> String {
        format!("wish-{}", self.number)
    }
}

impl Client {
    pub(crate) fn new(gateways: impl IntoIterator<Item = String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            gateways: gateways.into_iter().collect(),
            http: Http::builder(TokioExecutor::new()).build(connector),
        }
    }

    pub(crate) fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// Sends the order once. The status is 0 where there was no answer.
    pub(crate) async fn post(&self, wish: &Wish, attempt: usize) -> (u16, Value) {
        let item = json!({"product_code": "sku1", "unit_price": 0.12, "quantity": 1});
        let body = json!({"user_id": wish.user(), "order_items": [item]}).to_string();
        let gateway = &self.gateways[(wish.number + attempt) % self.gateways.len()];
        let request = Request::post(format!("{gateway}/orders"))
            .header("content-type", "application/json")
            .header("idempotency-key", wish.key());
        self.send(request.body(Full::from(body)).unwrap()).await
    }

    /// Sends the order until it is charged, for as long as `patience` lasts; returns its id.
    pub(crate) async fn insist(&self, wish: &Wish, patience: Duration) -> Option<i64> {
        let insisting = async {
            for attempt in 0.. {
                let (status, body) = self.post(wish, attempt).await;
                match status {
                    201 => return body["order_id"].as_i64(),
                    // What a customer may never be told of an order that can be paid.
                    400..=408 | 410..=499 => panic!("{wish:?} was told {status}: {body}"),
                    _ => tokio::time::sleep(PAUSE).await,
                }
            }
            None
        };
        tokio::time::timeout(patience, insisting).await.ok().flatten()
    }

    /// The order as the gateway of this index shows it.
    pub(crate) async fn get(&self, gateway: usize, order: i64) -> (u16, Value) {
        let uri = format!("{}/orders/{order}", self.gateways[gateway]);
        self.send(Request::builder().method(Method::GET).uri(uri).body(Full::default()).unwrap()).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (u16, Value) {
        let answered = async {
            let response = self.http.request(request).await.ok()?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.ok()?.to_bytes();
            Some((status, serde_json::from_slice(&body).unwrap_or_default()))
        };
        answered.await.unwrap_or_default()
    }
}

/// Holds the databases against what customers were told: every wish is one order and one charge, the sums agree.
pub(crate) async fn books_agree(
    server: &Server,
    order: &str,
    payment: &str,
    wishes: usize,
) -> Result<(), Failed> {
    let one = async |database: &str, sql: &str| -> Result<String, Failed> {
        Ok(server.execute(database, sql).await?.trim().to_owned())
    };
    for (database, sql) in [
        (order, "SELECT COUNT(*) FROM orders"),
        (order, "SELECT COUNT(*) FROM orders WHERE status = 'PAID'"),
        (payment, "SELECT COUNT(*) FROM payments WHERE status = 'CHARGED'"),
    ] {
        let count = one(database, sql).await?;
        test_support::check(count == wishes.to_string(), || format!("{wishes} wishes, but {sql}: {count}"))?;
    }
    let charged = one(payment, "SELECT SUM(charged_minor) FROM accounts").await?;
    let wanted = (wishes * Wish::PRICE_MINOR).to_string();
    test_support::check(charged == wanted, || format!("charged {charged}, and not {wanted}"))?;
    let off = server.execute(payment, payment::adapters::db::AUDIT).await?;
    test_support::check(off.trim().is_empty(), || format!("accounts that do not add up: {off}"))
}
