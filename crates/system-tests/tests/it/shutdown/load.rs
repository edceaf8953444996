//! Clients that create orders continuously and record every response.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{
    Client, Response, eventually, order_body,
    raw::{RawConnection, post},
};

/// How a client uses connections.
#[derive(Debug, Clone, Copy)]
pub(super) enum LoadKind {
    /// One connection for all requests, until the server closes it.
    KeepAlive,
    /// A new connection for each request, until connecting fails.
    NewConnections,
    /// HTTP/2, until a request fails.
    Http2,
}

/// The responses that one client received.
#[derive(Debug)]
pub(super) struct ClientRecord {
    pub(super) kind: LoadKind,
    /// Each client has its own user.
    user: i64,
    pub(super) paid: Vec<i64>,
    pub(super) not_charged: Vec<i64>,
    pub(super) not_started: usize,
    /// Requests without a single byte of a response.
    pub(super) unanswered: usize,
}

/// Running clients.
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<ClientRecord>,
}

#[derive(Default)]
struct Shared {
    paid: AtomicUsize,
    stopped: AtomicBool,
}

impl Load {
    /// Starts the given number of clients of each kind.
    pub(super) fn start(gateway: SocketAddr, kinds: &[(LoadKind, usize)]) -> Self {
        let (shared, mut clients) = (Arc::new(Shared::default()), JoinSet::new());
        let kinds = kinds.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        for (user, kind) in (1..).zip(kinds) {
            clients.spawn(run(gateway, user, kind, shared.clone()));
        }
        Self { shared, clients }
    }

    /// Waits until `count` more orders are paid.
    pub(super) async fn wait_for_paid(&mut self, count: usize) {
        let paid = || self.shared.paid.load(Ordering::Relaxed);
        let target = paid() + count;
        eventually("orders are paid", || async { (paid() >= target).then_some(()) }).await;
    }

    /// Stops the clients after their current requests and returns their records.
    pub(super) async fn stop(self) -> Vec<ClientRecord> {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.clients.join_all().await
    }
}

async fn run(gateway: SocketAddr, user: i64, kind: LoadKind, shared: Arc<Shared>) -> ClientRecord {
    let mut record =
        ClientRecord { kind, user, paid: Vec::new(), not_charged: Vec::new(), not_started: 0, unanswered: 0 };
    match kind {
        LoadKind::KeepAlive => keep_alive(gateway, &mut record, &shared).await,
        LoadKind::NewConnections => new_connections(gateway, &mut record, &shared).await,
        LoadKind::Http2 => http2(gateway, &mut record, &shared).await,
    }
    record
}

async fn keep_alive(gateway: SocketAddr, record: &mut ClientRecord, shared: &Shared) {
    let mut connection = RawConnection::open(gateway).await;
    while !shared.stopped.load(Ordering::Relaxed) {
        let response = create_order(&mut connection, record.user).await;
        if !record.add(response, shared) {
            return;
        }
    }
}

async fn new_connections(gateway: SocketAddr, record: &mut ClientRecord, shared: &Shared) {
    while !shared.stopped.load(Ordering::Relaxed) {
        let Ok(mut connection) = RawConnection::try_open(gateway).await else { return };
        let response = create_order(&mut connection, record.user).await;
        if response.is_none() {
            record.unanswered += 1;
            return;
        }
        record.add(response, shared);
    }
}

async fn http2(gateway: SocketAddr, record: &mut ClientRecord, shared: &Shared) {
    let client = Client::over_http2(format!("http://{gateway}"));
    let headers = [("content-type", "application/json")];
    while !shared.stopped.load(Ordering::Relaxed) {
        let body = order_body(record.user, json!("0.12")).to_string();
        match client.exchange(&Method::POST, "/orders", &headers, body).await {
            Ok(response) => drop(record.add(Some(response), shared)),
            // The connection has ended, and the client cannot open another one.
            Err(_) => return,
        }
    }
}

/// Creates an order; `None` if the connection ended before the first byte of a response.
async fn create_order(connection: &mut RawConnection, user: i64) -> Option<Response> {
    let body = order_body(user, json!("0.12")).to_string();
    connection.send(post("", &body)).await.ok()?;
    match connection.read_unchecked().await {
        Ok(response) => response,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            panic!("truncated response: {error}")
        }
        Err(_) => None,
    }
}

impl ClientRecord {
    /// Records a response; returns false if the connection has ended.
    fn add(&mut self, response: Option<Response>, shared: &Shared) -> bool {
        let Some(response) = response else {
            self.unanswered += 1;
            return false;
        };
        match response.status.as_u16() {
            201 => {
                assert_eq!(response.json()["status"], "PAID");
                shared.paid.fetch_add(1, Ordering::Relaxed);
                self.paid.push(response.order_id());
            }
            503 => match response.problem()["reason"].as_str() {
                Some("NOT_CHARGED") => self.not_charged.push(response.order_id()),
                Some("NOT_STARTED") => self.not_started += 1,
                _ => panic!("{}", response.text()),
            },
            _ => panic!("{}", response.text()),
        }
        response.header("connection") != "close"
    }

    /// Asserts that the user has exactly the recorded orders: unanswered and not-started requests
    /// created none.
    pub(super) async fn assert_matches_stored_orders(self, client: &Client) -> Self {
        let mut stored = BTreeMap::new();
        let mut token = String::new();
        loop {
            let path = format!("/orders?user_id={}&page_size=1000&page_token={token}", self.user);
            let page = client.get(&path).await.json();
            for order in page["orders"].as_array().expect("orders") {
                let status = order["status"].as_str().expect("a status").to_owned();
                stored.insert(order["order_id"].as_i64().expect("an id"), status);
            }
            token = page["next_page_token"].as_str().expect("a token").to_owned();
            if token.is_empty() {
                break;
            }
        }
        let with_status =
            |ids: &[i64], status: &str| ids.iter().map(|id| (*id, status.to_owned())).collect::<Vec<_>>();
        let expected: BTreeMap<i64, String> =
            [with_status(&self.paid, "PAID"), with_status(&self.not_charged, "NOT_CHARGED")]
                .concat()
                .into_iter()
                .collect();
        assert_eq!(stored, expected, "of user {}", self.user);
        self
    }
}
