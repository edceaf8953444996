//! The service over real sockets, with a scripted gRPC server as Payment.

mod failures;
mod fixture;
mod lifecycle;
mod orders;
mod outcomes;
mod payment;
mod prices;
mod reading;
mod requests;
mod retries;
mod status_fixture;

use std::{collections::BTreeMap, future::Future, time::Duration};

use proto::order::{GetOrderRequest, OrderStatus, order_client::OrderClient};
use tonic::{Code, Status, transport::Channel};

use fixture::{RunningOrder, start};
use status_fixture::StatusFixture;

/// A plain tonic client.
type Client = OrderClient<Channel>;

/// The timeout of every wait.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Polls until `probe` returns a value.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let polled = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, polled).await.unwrap_or_else(|_| panic!("{what}: not within {TIMEOUT:?}"))
}

async fn status_of(client: &Client, order_id: i64) -> OrderStatus {
    let request = GetOrderRequest { order_id, user_id: 0 };
    client.clone().get(request).await.unwrap().into_inner().status()
}

/// The status for an order whose charge may have happened.
fn outcome_unknown(order_id: i64) -> StatusFixture {
    StatusFixture {
        payment: vec!["the customer may have been charged; the order settles by itself".to_owned()],
        ..StatusFixture::of_order(
            Code::DeadlineExceeded,
            "the outcome of the charge is not known yet",
            "OUTCOME_UNKNOWN",
            order_id,
        )
    }
}

/// The status for an order that was recorded as NOT_CHARGED.
fn not_charged(order_id: i64) -> StatusFixture {
    let sentence = "the customer was not charged, and will not be unless this key is tried again";
    StatusFixture {
        payment: vec![sentence.to_owned()],
        retry_after: Some(Duration::from_secs(1)),
        ..StatusFixture::of_order(Code::Unavailable, "the order was not charged", "NOT_CHARGED", order_id)
    }
}

/// The order id in the status of a failed call.
fn order_id(status: &Status) -> i64 {
    StatusFixture::from_status(status).metadata["order_id"].parse().unwrap()
}

fn metadata<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
