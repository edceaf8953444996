//! Shared by all tests: clients that validate every response against the OpenAPI document,
//! processes, metrics.

pub(crate) mod client;
pub(crate) mod conformance;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod scrape;

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use all_in_one::{Options, System};

pub(crate) use client::{Client, Response, order_body};

/// The body of the documented example: an order of one `sku1` at 0.12 USD by user 123.
pub(crate) const EXAMPLE: &str =
    r#"{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}"#;
/// The longest wait for any condition, also on a machine with a busy disk.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// Polls `probe` until it returns a value; panics after [`WAIT_MAX`].
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> T {
    let polled = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, polled).await.unwrap_or_else(|_| panic!("{what}: not within {WAIT_MAX:?}"))
}

/// A running system with these options, and a client of its gateway.
pub(crate) async fn start_system(options: Options) -> (System, Client) {
    let system = System::start_with(options).await.expect("a system");
    let client = Client::new(system.gateway_url());
    (system, client)
}

/// A loopback address without a listener.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket")
}
