//! Clients that post orders without a pause, and keep book of what they were told.

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
    Answer, Client, order_body,
    raw::{Raw, post},
    until,
};

/// How a client uses connections.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// One for all requests, until an answer or its end says that it is over.
    Keeping,
    /// One for each request, until none can be opened.
    Reconnecting,
    /// HTTP/2, until a request fails.
    Multiplexing,
}

/// What one client was told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) manner: Manner,
    /// Its own: no other client orders for it.
    user: i64,
    pub(super) paid: Vec<i64>,
    pub(super) not_charged: Vec<i64>,
    pub(super) not_started: usize,
    /// Requests that were sent and got not one byte of an answer.
    pub(super) unanswered: usize,
}

/// Running clients.
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<Told>,
}

#[derive(Default)]
struct Shared {
    paid: AtomicUsize,
    enough: AtomicBool,
}

impl Load {
    /// Starts so many clients of each manner.
    pub(super) fn start(gateway: SocketAddr, manners: &[(Manner, usize)]) -> Self {
        let (shared, mut clients) = (Arc::new(Shared::default()), JoinSet::new());
        let manners = manners.iter().flat_map(|(manner, count)| std::iter::repeat_n(*manner, *count));
        for (user, manner) in (1..).zip(manners) {
            clients.spawn(run(gateway, user, manner, shared.clone()));
        }
        Self { shared, clients }
    }

    /// Returns when `count` more orders were paid.
    pub(super) async fn paid_more(&mut self, count: usize) {
        let paid = || self.shared.paid.load(Ordering::Relaxed);
        let wanted = paid() + count;
        until("orders are paid", || async { (paid() >= wanted).then_some(()) }).await;
    }

    /// Has the clients send no more, and returns when the last has its answer.
    pub(super) async fn end(self) -> Vec<Told> {
        self.shared.enough.store(true, Ordering::Relaxed);
        self.clients.join_all().await
    }
}

async fn run(gateway: SocketAddr, user: i64, manner: Manner, shared: Arc<Shared>) -> Told {
    let mut told =
        Told { manner, user, paid: Vec::new(), not_charged: Vec::new(), not_started: 0, unanswered: 0 };
    match manner {
        Manner::Keeping => keeping(gateway, &mut told, &shared).await,
        Manner::Reconnecting => reconnecting(gateway, &mut told, &shared).await,
        Manner::Multiplexing => multiplexing(gateway, &mut told, &shared).await,
    }
    told
}

async fn keeping(gateway: SocketAddr, told: &mut Told, shared: &Shared) {
    let mut connection = Raw::open(gateway).await;
    while !shared.enough.load(Ordering::Relaxed) {
        let answer = ask(&mut connection, told.user).await;
        if !told.goes_on(answer, shared) {
            return;
        }
    }
}

async fn reconnecting(gateway: SocketAddr, told: &mut Told, shared: &Shared) {
    while !shared.enough.load(Ordering::Relaxed) {
        let Ok(mut connection) = Raw::try_open(gateway).await else { return };
        let answer = ask(&mut connection, told.user).await;
        if answer.is_none() {
            told.unanswered += 1;
            return;
        }
        told.goes_on(answer, shared);
    }
}

async fn multiplexing(gateway: SocketAddr, told: &mut Told, shared: &Shared) {
    let client = Client::over_http2(format!("http://{gateway}"));
    let headers = [("content-type", "application/json")];
    while !shared.enough.load(Ordering::Relaxed) {
        let body = order_body(told.user, json!("0.12")).to_string();
        match client.exchange(&Method::POST, "/orders", &headers, body).await {
            Ok(answer) => drop(told.goes_on(Some(answer), shared)),
            // Its connection has ended, and there is no other: the client sends no request it has no connection for.
            Err(_) => return,
        }
    }
}

/// The answer to an order, `None` where the connection ended before the first byte of one.
async fn ask(connection: &mut Raw, user: i64) -> Option<Answer> {
    let body = order_body(user, json!("0.12")).to_string();
    connection.send(post("", &body)).await.ok()?;
    match connection.unchecked().await {
        Ok(answer) => answer,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => panic!("cut in half: {error}"),
        Err(_) => None,
    }
}

impl Told {
    /// Notes an answer; `false` where its connection is over.
    fn goes_on(&mut self, answer: Option<Answer>, shared: &Shared) -> bool {
        let Some(answer) = answer else {
            self.unanswered += 1;
            return false;
        };
        match answer.status.as_u16() {
            201 => {
                assert_eq!(answer.json()["status"], "PAID");
                shared.paid.fetch_add(1, Ordering::Relaxed);
                self.paid.push(answer.order_id());
            }
            503 => match answer.problem()["reason"].as_str() {
                Some("NOT_CHARGED") => self.not_charged.push(answer.order_id()),
                Some("NOT_STARTED") => self.not_started += 1,
                _ => panic!("{}", answer.text()),
            },
            _ => panic!("{}", answer.text()),
        }
        answer.header("connection") != "close"
    }

    /// Every order that the client was told of is there as it was told, and no other: what got no answer, or
    /// was told that it was not started, was not begun.
    pub(super) async fn held_against_what_is_there(self, client: &Client) -> Self {
        let mut there = BTreeMap::new();
        let mut token = String::new();
        loop {
            let path = format!("/orders?user_id={}&page_size=1000&page_token={token}", self.user);
            let page = client.get(&path).await.json();
            for order in page["orders"].as_array().expect("orders") {
                let status = order["status"].as_str().expect("a status").to_owned();
                there.insert(order["order_id"].as_i64().expect("an id"), status);
            }
            token = page["next_page_token"].as_str().expect("a token").to_owned();
            if token.is_empty() {
                break;
            }
        }
        let told =
            |ids: &[i64], status: &str| ids.iter().map(|id| (*id, status.to_owned())).collect::<Vec<_>>();
        let expected: BTreeMap<i64, String> =
            [told(&self.paid, "PAID"), told(&self.not_charged, "NOT_CHARGED")].concat().into_iter().collect();
        assert_eq!(there, expected, "of customer {}", self.user);
        self
    }
}
