//! A closed-loop load: each connection sends its next order after the response to the previous one.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::figures::Failure;

/// The users that place orders.
pub(crate) const USERS: usize = 1000;
/// The distance between the users of two consecutive orders; coprime to [`USERS`], so that every user gets
/// the same number of orders.
const USER_STEP: usize = 619;

/// The user of the nth order. Users with adjacent ids share index pages: loads are comparable only if they
/// send concurrent orders of such users equally often.
pub(crate) fn user(nth: usize) -> usize {
    nth * USER_STEP % USERS + 1
}

/// The values of `Authorization` for users 1, 2 and so on; empty where the gateway requires no
/// authentication.
pub(crate) type Tokens = Arc<[HeaderValue]>;

const LATENCY_MICROSECONDS_MAX: u64 = 60_000_000;

/// The result of one round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    orders: u64,
    seconds: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU time of the system under test; 0 until the caller sets it.
    pub(crate) cpu_seconds: f64,
}

impl Round {
    #[allow(dead_code, reason = "some benches do not use it")]
    pub(crate) fn orders(&self) -> u64 {
        self.orders
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.orders as f64 / self.seconds
    }

    pub(crate) fn cpu_per_thousand(&self) -> f64 {
        self.cpu_seconds / self.orders as f64 * 1000.0
    }
}

/// Places orders over `connections` connections for `duration`.
pub(crate) async fn run(
    gateway: SocketAddr,
    tokens: &Tokens,
    connections: usize,
    duration: Duration,
) -> Result<Round, Failure> {
    let started = Instant::now();
    let sent = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(place_orders(gateway, tokens.clone(), sent.clone(), started + duration));
    }
    let mut latencies = Histogram::<u64>::new_with_max(LATENCY_MICROSECONDS_MAX, 3)?;
    while let Some(result) = workers.join_next().await {
        latencies.add(result??)?;
    }
    let quantile_ms = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Round {
        orders: latencies.len(),
        seconds: started.elapsed().as_secs_f64(),
        p50_ms: quantile_ms(0.5),
        p99_ms: quantile_ms(0.99),
        cpu_seconds: 0.0,
    })
}

async fn place_orders(
    gateway: SocketAddr,
    tokens: Tokens,
    sent: Arc<AtomicUsize>,
    until: Instant,
) -> Result<Histogram<u64>, Failure> {
    let stream = TcpStream::connect(gateway).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut latencies = Histogram::new_with_max(LATENCY_MICROSECONDS_MAX, 3)?;
    while Instant::now() < until {
        let sent_at = Instant::now();
        let user = user(sent.fetch_add(1, Ordering::Relaxed));
        place_order(&mut sender, gateway, user, tokens.get(user - 1)).await?;
        latencies.record(u64::try_from(sent_at.elapsed().as_micros())?)?;
    }
    drop(sender);
    connection.await??;
    Ok(latencies)
}

async fn place_order(
    sender: &mut SendRequest<Full<Bytes>>,
    gateway: SocketAddr,
    user: usize,
    token: Option<&HeaderValue>,
) -> Result<(), Failure> {
    let body = format!(
        r#"{{"user_id":{user},"order_items":[{{"product_code":"sku1","unit_price":0.12,"quantity":1}}]}}"#
    );
    let mut request = Request::post("/orders")
        .header(header::HOST, gateway.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))?;
    if let Some(token) = token {
        request.headers_mut().insert(header::AUTHORIZATION, token.clone());
    }
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status == StatusCode::CREATED {
        Ok(())
    } else {
        Err(format!("{status} invalidates the run: {body:?}").into())
    }
}
