//! An open loop: requests are sent when they are due, however many are still to be answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{figures::Failure, load};

/// Connections that the load has at most. A request for which none is free waits, and its time with it.
const CONNECTIONS_MAX: usize = 512;

const LATENCY_US_MAX: u64 = 60_000_000;

/// How often requests are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    interval: Duration,
}

impl Rate {
    pub(crate) fn of(per_second: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / per_second) }
    }
}

/// One answer: when the request was due, how long it took from then on, and whether an order was placed.
#[derive(Debug, Clone, Copy)]
struct Answer {
    due: Duration,
    took: Duration,
    placed: bool,
}

/// Every answer of one run.
#[derive(Debug)]
pub(crate) struct Outcome {
    answers: Vec<Answer>,
    seconds: f64,
    connections: usize,
}

impl Outcome {
    pub(crate) fn placed(&self) -> u64 {
        self.count(true)
    }

    pub(crate) fn shed(&self) -> u64 {
        self.count(false)
    }

    /// Orders placed a second.
    pub(crate) fn goodput(&self) -> f64 {
        self.placed() as f64 / self.seconds
    }

    /// Milliseconds in which this part of the refusals came.
    pub(crate) fn shed_ms(&self, quantile: f64) -> f64 {
        milliseconds(self.answers.iter().filter(|answer| !answer.placed), quantile)
    }

    /// Milliseconds in which this part of the orders was placed that were due `from` then on.
    pub(crate) fn placed_ms(&self, from: Duration, quantile: f64) -> f64 {
        milliseconds(self.answers.iter().filter(|answer| answer.placed && answer.due >= from), quantile)
    }

    /// When the last request was due that was refused.
    pub(crate) fn last_shed(&self) -> Option<Duration> {
        self.answers.iter().filter(|answer| !answer.placed).map(|answer| answer.due).max()
    }

    pub(crate) fn demand_all_placed(&self) -> Result<(), Failure> {
        if self.shed() == 0 { Ok(()) } else { Err("a refusal without overload voids the run".into()) }
    }

    pub(crate) fn print(&self, what: &str) {
        println!(
            "{what}: {:.0}/s sent over {} connections, {:.0}/s placed (p50 {:.1} ms, p99 {:.1} ms), {} shed (p50 {:.1} ms)",
            self.answers.len() as f64 / self.seconds,
            self.connections,
            self.goodput(),
            self.placed_ms(Duration::ZERO, 0.5),
            self.placed_ms(Duration::ZERO, 0.99),
            self.shed(),
            self.shed_ms(0.5),
        );
    }

    fn count(&self, placed: bool) -> u64 {
        self.answers.iter().filter(|answer| answer.placed == placed).map(|_| 1).sum()
    }
}

fn milliseconds<'a>(answers: impl Iterator<Item = &'a Answer>, quantile: f64) -> f64 {
    let mut all = Histogram::<u64>::new_with_max(LATENCY_US_MAX, 3).unwrap_or_else(|error| panic!("{error}"));
    for answer in answers {
        all.saturating_record(u64::try_from(answer.took.as_micros()).unwrap_or(u64::MAX));
    }
    if all.is_empty() { 0.0 } else { all.value_at_quantile(quantile) as f64 / 1000.0 }
}

type Sender = SendRequest<Full<Bytes>>;

/// The connections of a load: so many at once, and of those that wait for one the first comes first.
struct Pool {
    gateway: SocketAddr,
    free: Semaphore,
    idle: Mutex<Vec<Sender>>,
    opened: AtomicUsize,
}

impl Pool {
    fn new(gateway: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            gateway,
            free: Semaphore::new(CONNECTIONS_MAX),
            idle: Mutex::default(),
            opened: AtomicUsize::new(0),
        })
    }

    /// A connection, which was idle or is new.
    async fn sender(&self) -> Result<Sender, Failure> {
        let idle = self.idle().pop();
        if let Some(idle) = idle {
            return Ok(idle);
        }
        self.opened.fetch_add(1, Ordering::Relaxed);
        connect(self.gateway).await
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Sender>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends orders at `rate` for `duration`, and waits for every answer.
pub(crate) async fn run(gateway: SocketAddr, rate: Rate, duration: Duration) -> Result<Outcome, Failure> {
    let (pool, began) = (Pool::new(gateway), Instant::now());
    let mut asked = JoinSet::new();
    let mut answers = Vec::new();
    for sent in 0.. {
        let due = rate.interval * sent;
        if due >= duration {
            break;
        }
        // The timer ticks each millisecond; what is due by then is sent at once.
        sleep_until(began + due).await;
        asked.spawn(ask(pool.clone(), load::user(usize::try_from(sent)?), began, due));
        while let Some(answered) = asked.try_join_next() {
            answers.push(answered??);
        }
    }
    while let Some(answered) = asked.join_next().await {
        answers.push(answered??);
    }
    let connections = pool.opened.load(Ordering::Relaxed);
    Ok(Outcome { answers, seconds: duration.as_secs_f64(), connections })
}

async fn ask(pool: Arc<Pool>, user: usize, began: Instant, due: Duration) -> Result<Answer, Failure> {
    let _turn = pool.free.acquire().await?;
    let mut sender = pool.sender().await?;
    let response = sender.send_request(order(pool.gateway, user)?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let took = began.elapsed().saturating_sub(due);
    let placed = status == StatusCode::CREATED;
    let shed = status == StatusCode::SERVICE_UNAVAILABLE
        && body.windows(11).any(|found| found == b"NOT_STARTED".as_slice());
    if !placed && !shed {
        return Err(format!("{status} voids the run: {body:?}").into());
    }
    sender.ready().await?;
    pool.idle().push(sender);
    Ok(Answer { due, took, placed })
}

async fn connect(gateway: SocketAddr) -> Result<Sender, Failure> {
    let stream = TcpStream::connect(gateway).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn order(gateway: SocketAddr, user: usize) -> Result<Request<Full<Bytes>>, Failure> {
    let body = format!(
        r#"{{"user_id":{user},"order_items":[{{"product_code":"sku1","unit_price":0.12,"quantity":1}}]}}"#
    );
    Ok(Request::post("/orders")
        .header(header::HOST, gateway.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))?)
}
