//! Abuse protection of the public gateway: rate limits, load shedding, slow clients, floods, TLS.

use std::net::SocketAddr;

use all_in_one::{Options, System};
use http::Method;
use serde_json::json;

use crate::support::{Client, Response, order_body, start_system};

mod floods;
mod load_shedding;
mod open_requests;
mod public_tls;
mod rate_limits;
mod slow_clients;

async fn start(options: Options) -> (System, Client, SocketAddr) {
    let (system, client) = start_system(options).await;
    let address = system.gateway_address();
    (system, client, address)
}

/// Creates an order of user 123.
async fn order(client: &Client, headers: &[(&str, &str)]) -> Response {
    client.post_with(headers, order_body(123, json!(0.12))).await
}

/// The number of orders of user 123, listed with these request headers.
async fn orders(client: &Client, headers: &[(&str, &str)]) -> usize {
    let listed = client.send(Method::GET, "/orders?user_id=123&page_size=1000", headers, "").await;
    listed.json()["orders"].as_array().unwrap().len()
}
