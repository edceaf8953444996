//! A gateway in front of a fake Order service.

use std::net::SocketAddr;

use http::Method;
use serde_json::json;
use service_kit::{CancellationToken, process::Sockets};
use tokio::{net::TcpStream, task::AbortHandle};

use crate::support::{Client, Response, eventually, order_body};

/// The order id that [`Operation::Get`] requests.
pub(crate) const ORDER_ID: i64 = 7;

/// A public operation; each calls another method of Order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Creates an order of one item.
    Create,
    /// Reads one order.
    Get,
    /// Lists the orders of a user.
    List,
}

pub(crate) const ALL_OPERATIONS: [Operation; 3] = [Operation::Create, Operation::Get, Operation::List];

/// A running gateway; it stops when dropped.
pub(crate) struct GatewayFixture {
    pub(crate) client: Client,
    address: SocketAddr,
    serving: AbortHandle,
}

impl GatewayFixture {
    /// Starts a gateway whose Order is at `order`.
    pub(crate) async fn start(order: SocketAddr) -> Self {
        Self::start_with(order, &[]).await
    }

    /// Starts a gateway with further environment variables.
    pub(crate) async fn start_with(order: SocketAddr, vars: &[(&str, &str)]) -> Self {
        let order = order.to_string();
        let required = [
            ("APPLICATION_PORT", "0"),
            ("ADMIN_ADDRESS", "127.0.0.1:0"),
            ("ENV", "development"),
            ("ORDER_SERVICE_URL", order.as_str()),
        ];
        let vars = required.into_iter().chain(vars.iter().copied()).collect();
        let config = gateway::Config::read(&vars).expect("a complete environment");
        let sockets = Sockets::bind(&config.process).await.expect("free ports");
        let address = sockets.service.local_addr();
        let serving = tokio::spawn(gateway::serve(config, sockets, CancellationToken::new()));
        eventually("the gateway listens", async || TcpStream::connect(address).await.ok()).await;
        Self { client: Client::new(format!("http://{address}")), address, serving: serving.abort_handle() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends the request of `operation` with further headers.
    pub(crate) async fn call(&self, operation: Operation, headers: &[(&str, &str)]) -> Response {
        match operation {
            Operation::Create => self.client.post_with(headers, order_body(123, json!(0.12))).await,
            Operation::Get => {
                self.client.send(Method::GET, &format!("/orders/{ORDER_ID}"), headers, "").await
            }
            Operation::List => self.client.send(Method::GET, "/orders?user_id=123", headers, "").await,
        }
    }
}

impl Drop for GatewayFixture {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
