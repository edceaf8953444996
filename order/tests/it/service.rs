//! The service over real sockets, with a real gRPC server in Payment's place.

mod failures;
mod house;
mod lifecycle;
mod orders;
mod outcomes;
mod payment;
mod prices;
mod reading;
mod requests;
mod retried;
mod told;

use std::{collections::BTreeMap, future::Future, time::Duration};

use proto::order::{GetOrderRequest, OrderStatus, order_client::OrderClient};
use tonic::{Code, Status, transport::Channel};

use house::{House, house};
use told::Told;

/// The client of old: it knows nothing of ours.
type Client = OrderClient<Channel>;

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until `probe` gives a value.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let polled = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, polled).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

async fn status_of(client: &Client, order_id: i64) -> OrderStatus {
    let asked = GetOrderRequest { order_id, user_id: 0 };
    client.clone().get(asked).await.unwrap().into_inner().status()
}

/// What a caller is told of an order whose charge may have happened.
fn outcome_unknown(order_id: i64) -> Told {
    Told {
        payment: vec!["the customer may have been charged; the order settles by itself".to_owned()],
        ..Told::of_order(
            Code::DeadlineExceeded,
            "the outcome of the charge is not known yet",
            "OUTCOME_UNKNOWN",
            order_id,
        )
    }
}

/// What a caller is told of an order that was recorded as not charged.
fn not_charged(order_id: i64) -> Told {
    let sentence = "the customer was not charged, and will not be unless this key is tried again";
    Told {
        payment: vec![sentence.to_owned()],
        retry_after: Some(Duration::from_secs(1)),
        ..Told::of_order(Code::Unavailable, "the order was not charged", "NOT_CHARGED", order_id)
    }
}

/// The order that a failed call names.
fn order_id(status: &Status) -> i64 {
    Told::by(status).metadata["order_id"].parse().unwrap()
}

fn metadata<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
