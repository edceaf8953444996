//! An open loop: requests are sent when they are due, regardless of responses.

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

/// The most connections. A request that waits for a free one counts the wait as latency.
const CONNECTIONS_MAX: usize = 512;

const LATENCY_US_MAX: u64 = 60_000_000;

/// The rate of requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    interval: Duration,
}

impl Rate {
    pub(crate) fn of(per_second: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / per_second) }
    }
}

/// One response: when the request was due, its latency from then on, and whether an order was placed.
#[derive(Debug, Clone, Copy)]
struct Sample {
    due: Duration,
    took: Duration,
    placed: bool,
}

/// Every response of one run.
#[derive(Debug)]
pub(crate) struct Outcome {
    samples: Vec<Sample>,
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

    /// Orders placed per second.
    pub(crate) fn goodput(&self) -> f64 {
        self.placed() as f64 / self.seconds
    }

    /// This quantile of the latency of shed requests, in milliseconds.
    pub(crate) fn shed_ms(&self, quantile: f64) -> f64 {
        milliseconds(self.samples.iter().filter(|sample| !sample.placed), quantile)
    }

    /// This quantile of the latency of placed orders that were due after `from`, in milliseconds.
    pub(crate) fn placed_ms(&self, from: Duration, quantile: f64) -> f64 {
        milliseconds(self.samples.iter().filter(|sample| sample.placed && sample.due >= from), quantile)
    }

    /// When the last shed request was due.
    pub(crate) fn last_shed(&self) -> Option<Duration> {
        self.samples.iter().filter(|sample| !sample.placed).map(|sample| sample.due).max()
    }

    pub(crate) fn require_all_placed(&self) -> Result<(), Failure> {
        if self.shed() == 0 { Ok(()) } else { Err("shedding without overload invalidates the run".into()) }
    }

    pub(crate) fn print(&self, what: &str) {
        println!(
            "{what}: {:.0}/s sent over {} connections, {:.0}/s placed (p50 {:.1} ms, p99 {:.1} ms), {} shed (p50 {:.1} ms)",
            self.samples.len() as f64 / self.seconds,
            self.connections,
            self.goodput(),
            self.placed_ms(Duration::ZERO, 0.5),
            self.placed_ms(Duration::ZERO, 0.99),
            self.shed(),
            self.shed_ms(0.5),
        );
    }

    fn count(&self, placed: bool) -> u64 {
        self.samples.iter().filter(|sample| sample.placed == placed).map(|_| 1).sum()
    }
}

fn milliseconds<'a>(samples: impl Iterator<Item = &'a Sample>, quantile: f64) -> f64 {
    let mut all = Histogram::<u64>::new_with_max(LATENCY_US_MAX, 3).unwrap_or_else(|error| panic!("{error}"));
    for sample in samples {
        all.saturating_record(u64::try_from(sample.took.as_micros()).unwrap_or(u64::MAX));
    }
    if all.is_empty() { 0.0 } else { all.value_at_quantile(quantile) as f64 / 1000.0 }
}

type Sender = SendRequest<Full<Bytes>>;

/// The connections of a load, given to waiting requests in FIFO order.
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

    /// An idle connection, or a new one.
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

/// Sends orders at `rate` for `duration`, and waits for every sample.
pub(crate) async fn run(gateway: SocketAddr, rate: Rate, duration: Duration) -> Result<Outcome, Failure> {
    let (pool, began) = (Pool::new(gateway), Instant::now());
    let mut requests = JoinSet::new();
    let mut samples = Vec::new();
    for sent in 0.. {
        let due = rate.interval * sent;
        if due >= duration {
            break;
        }
        // The timer has a resolution of one millisecond; all due requests are sent at once.
        sleep_until(began + due).await;
        requests.spawn(send(pool.clone(), load::user(usize::try_from(sent)?), began, due));
        while let Some(sample) = requests.try_join_next() {
            samples.push(sample??);
        }
    }
    while let Some(sample) = requests.join_next().await {
        samples.push(sample??);
    }
    let connections = pool.opened.load(Ordering::Relaxed);
    Ok(Outcome { samples, seconds: duration.as_secs_f64(), connections })
}

async fn send(pool: Arc<Pool>, user: usize, began: Instant, due: Duration) -> Result<Sample, Failure> {
    let _permit = pool.free.acquire().await?;
    let mut sender = pool.sender().await?;
    let response = sender.send_request(order(pool.gateway, user)?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let took = began.elapsed().saturating_sub(due);
    let placed = status == StatusCode::CREATED;
    let shed = status == StatusCode::SERVICE_UNAVAILABLE
        && body.windows(11).any(|found| found == b"NOT_STARTED".as_slice());
    if !placed && !shed {
        return Err(format!("{status} invalidates the run: {body:?}").into());
    }
    sender.ready().await?;
    pool.idle().push(sender);
    Ok(Sample { due, took, placed })
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
