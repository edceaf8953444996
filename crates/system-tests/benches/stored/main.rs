//! The latency of the store's operations with 1,000,000 stored orders, compared with 1,000.
//!
//!     cargo bench -p system-tests --bench stored
//!
//! On SQLite, and on a MariaDB and a PostgreSQL that the bench starts with durable commits: the insert and
//! settlement of an order, a read by id, and pages of 50 of a user who owns every 16th order: the newest
//! page, and the thousandth. 7 rounds alternate between few and many stored orders; prints the median of the
//! rounds' means. With 1,000 orders there is no thousandth page: the ratio is to the first page.

#![allow(clippy::float_arithmetic, clippy::print_stdout, reason = "a bench computes and prints figures")]

#[path = "../shared/backend.rs"]
mod backend;
#[path = "../shared/figures.rs"]
mod figures;
mod fill;
#[path = "../shared/store.rs"]
mod store;

use std::time::Instant;

use backend::Backend;
use database::{Config, DatabaseUrl};
use figures::{Failure, median};
use fill::{BASE, OWN_EVERY, USERS};
use mimalloc::MiMalloc;
use order::{
    adapters::db::DbOrders,
    domain::{OrderId, UserId},
    ports::Orders as _,
};

const FEW: i64 = 1_000;
const MANY: i64 = 1_000_000;
const ROUNDS: usize = 7;
/// Operations per round. With few stored orders, the created ones must stay fewer.
const CREATES: u32 = 40;
const GETS: u32 = 400;
const LISTS: u32 = 100;
const PAGE: u32 = 50;
const ITEMS_MAX: u32 = 10_000;

/// The allocator of the services.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Result<(), Failure> {
    if !figures::is_bench_run() {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    println!("| database | | ms, 1,000 stored | ms, 1,000,000 stored | ratio |\n|---|---|---|---|---|");
    for backend in Backend::all().await? {
        let mut few = Stored::fill(&backend, "few", FEW).await?;
        let mut many = Stored::fill(&backend, "many", MANY).await?;
        // A warm-up round fills the caches.
        few.round().await?;
        many.round().await?;
        let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_few.push(few.round().await?);
            of_many.push(many.round().await?);
        }
        let figures = |rounds: &[Costs], which: Which| median(rounds.iter().map(which));
        let rows: [(&str, Which); 4] = [
            ("Create", |costs| costs.create),
            ("Get", |costs| costs.get),
            ("List, first page", |costs| costs.first),
            ("List, thousandth page", |costs| costs.last),
        ];
        for (name, which) in rows {
            let (before, after) = (figures(&of_few, which), figures(&of_many, which));
            println!("| {} | {name} | {before:.3} | {after:.3} | {:.2} |", backend.name(), after / before);
        }
    }
    Ok(())
}

/// The mean latencies of one round, in milliseconds.
struct Costs {
    create: f64,
    get: f64,
    first: f64,
    /// The thousandth page; the first one where there are fewer.
    last: f64,
}

type Which = fn(&Costs) -> f64;

/// A database with `count` orders.
struct Stored {
    orders: DbOrders,
    count: i64,
    created: i64,
    read: i64,
}

impl Stored {
    async fn fill(backend: &Backend, name: &str, count: i64) -> Result<Self, Failure> {
        let url = backend.create(name).await?;
        let orders = store::open(&Config::new(DatabaseUrl::parse(backend.driver().name(), &url)?)).await?;
        fill::fill(backend, name, count).await?;
        Ok(Self { orders, count, created: 0, read: 0 })
    }

    async fn round(&mut self) -> Result<Costs, Failure> {
        let started = Instant::now();
        for _ in 0..CREATES {
            self.created += 1;
            let user = 2 + self.created % USERS;
            store::create(&self.orders, BASE + self.count + self.created, user).await?;
        }
        let create = milliseconds_each(started, CREATES);
        let started = Instant::now();
        for _ in 0..GETS {
            self.read += 611_953;
            let id = OrderId::new(BASE + 1 + self.read % self.count);
            self.orders.find(id.ok_or("not an id")?).await?.ok_or("a missing order invalidates the run")?;
        }
        let get = milliseconds_each(started, GETS);
        let first = self.list(None).await?;
        // The last of the 999 pages before it.
        let newer = 999 * i64::from(PAGE);
        let own = self.count / OWN_EVERY;
        let before = (own > newer).then(|| BASE + OWN_EVERY * (own - newer + 1));
        Ok(Costs { create, get, first, last: self.list(before.and_then(OrderId::new)).await? })
    }

    async fn list(&self, before: Option<OrderId>) -> Result<f64, Failure> {
        let user = UserId::new(1).ok_or("not a user")?;
        let started = Instant::now();
        for _ in 0..LISTS {
            let page = self.orders.list(user, before, PAGE, ITEMS_MAX).await?;
            if page.orders.len() != PAGE as usize || !page.more {
                return Err("an incomplete page invalidates the run".into());
            }
        }
        Ok(milliseconds_each(started, LISTS))
    }
}

fn milliseconds_each(started: Instant, times: u32) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0 / f64::from(times)
}
