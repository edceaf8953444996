//! A gateway of a test's own, in front of whatever plays the Order service.

use std::net::SocketAddr;

use http::Method;
use serde_json::json;
use service_kit::{CancellationToken, process::Sockets};
use tokio::{net::TcpStream, task::AbortHandle};

use crate::support::{Answer, Client, order_body, until};

/// The order that [`Ask::Get`] names.
pub(crate) const ORDER_ID: i64 = 7;

/// How the public asks: each way leads to another method of Order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Places an order of one item.
    Post,
    /// Reads one order.
    Get,
    /// Lists a user's orders.
    List,
}

pub(crate) const EVERY_ASK: [Ask; 3] = [Ask::Post, Ask::Get, Ask::List];

/// A running gateway; it ends when this is dropped.
pub(crate) struct Front {
    pub(crate) client: Client,
    address: SocketAddr,
    serving: AbortHandle,
}

impl Front {
    /// A gateway that finds Order at `order`.
    pub(crate) async fn of(order: SocketAddr) -> Self {
        Self::with(order, &[]).await
    }

    /// The same with further variables of its environment.
    pub(crate) async fn with(order: SocketAddr, vars: &[(&str, &str)]) -> Self {
        let order = order.to_string();
        let needed = [
            ("APPLICATION_PORT", "0"),
            ("ADMIN_ADDRESS", "127.0.0.1:0"),
            ("ENV", "development"),
            ("ORDER_SERVICE_URL", order.as_str()),
        ];
        let vars = needed.into_iter().chain(vars.iter().copied()).collect();
        let config = gateway::Config::read(&vars).expect("a complete environment");
        let sockets = Sockets::bind(&config.process).await.expect("free ports");
        let address = sockets.service.local_addr();
        let serving = tokio::spawn(gateway::serve(config, sockets, CancellationToken::new()));
        until("the gateway listens", async || TcpStream::connect(address).await.ok()).await;
        Self { client: Client::new(format!("http://{address}")), address, serving: serving.abort_handle() }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks with further headers.
    pub(crate) async fn ask(&self, how: Ask, headers: &[(&str, &str)]) -> Answer {
        match how {
            Ask::Post => self.client.post_with(headers, order_body(123, json!(0.12))).await,
            Ask::Get => self.client.send(Method::GET, &format!("/orders/{ORDER_ID}"), headers, "").await,
            Ask::List => self.client.send(Method::GET, "/orders?user_id=123", headers, "").await,
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
