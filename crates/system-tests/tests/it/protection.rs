//! Protection of the public gateway: rate limits, shedding, slow clients, floods, and TLS on its listener.

use std::net::SocketAddr;

use all_in_one::{Options, System};
use http::Method;
use serde_json::json;

use crate::support::{Answer, Client, order_body};

mod floods;
mod rates;
mod shedding;
mod slow;
mod tls;

async fn start(options: Options) -> (System, Client, SocketAddr) {
    let system = System::start_with(options).await.unwrap();
    let (client, address) = (Client::new(system.gateway_url()), system.gateway_address());
    (system, client, address)
}

/// An order of user 123.
async fn order(client: &Client, headers: &[(&str, &str)]) -> Answer {
    client.post_with(headers, order_body(123, json!(0.12))).await
}

/// How many orders user 123 has, asked with these headers.
async fn orders(client: &Client, headers: &[(&str, &str)]) -> usize {
    let listed = client.send(Method::GET, "/orders?user_id=123&page_size=1000", headers, "").await;
    listed.json()["orders"].as_array().unwrap().len()
}
