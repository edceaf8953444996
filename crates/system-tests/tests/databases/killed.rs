//! The database server killed and restarted, again and again, under load.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
    trial,
};

use crate::{
    client::{Client, Wish, books_agree},
    two_stacks, whole,
};

const KILLS: usize = 10;
const CONCURRENCY: usize = 64;
/// Orders that are charged between two kills.
const ORDERS_BETWEEN: usize = 100;
/// No more than this many orders are wished for, however fast the machine is.
const WISHES_MAX: usize = 20_000;
/// How soon an order must be charged after the server is back. An unoptimised build, on a machine that does other things,
/// is not held to what is promised; it must come back.
const BACK_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 5 });
/// How long an order that was cut off may take, whatever else the machine does.
const SETTLED_MAX: Duration = Duration::from_secs(90);

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let name = format!("{}::ten_kills_under_load_lose_nothing_and_charge_nothing_twice", kind.name());
    vec![trial(&name, &[kind.need()], move || killed(kind))]
}

/// What the customers know.
#[derive(Default)]
struct Told {
    next: AtomicUsize,
    charged: AtomicUsize,
    over: AtomicBool,
    /// The order that each wish became, and the wishes that are open.
    orders: Mutex<BTreeMap<usize, i64>>,
    open: Mutex<Vec<Wish>>,
}

impl Told {
    fn charge(&self, wish: &Wish, order: i64) {
        let before = self.orders.lock().unwrap().insert(wish.number, order);
        assert!(before.is_none_or(|before| before == order), "{wish:?} was two orders");
        self.charged.fetch_add(1, Ordering::Relaxed);
    }

    /// Places one order after the other, and leaves those for later that a kill has cut off.
    async fn wish(&self, client: &Client) {
        while !self.over.load(Ordering::Relaxed) {
            let wish = Wish { number: self.next.fetch_add(1, Ordering::Relaxed) };
            match client.insist(&wish, Duration::from_secs(2)).await {
                Some(order) => self.charge(&wish, order),
                None => self.open.lock().unwrap().push(wish),
            }
        }
    }

    /// Waits until so many orders more were charged.
    async fn charged_more(&self, more: usize) -> Result<(), Failed> {
        let wanted = self.charged.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + SETTLED_MAX;
        while self.charged.load(Ordering::Relaxed) < wanted {
            check(Instant::now() < deadline, || "no more orders are charged".to_owned())?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

async fn killed(kind: Kind) -> Result<(), Failed> {
    let server = Server::start(kind).await?;
    for name in ["orders", "payments"] {
        server.create_database(name).await?;
    }
    let systems = two_stacks(&server, "orders", "payments").await?;
    let client = Client::new(systems.iter().map(all_in_one::System::gateway_url));
    let told = Arc::new(Told::default());
    let workers: Vec<_> = (0..CONCURRENCY)
        .map(|_| {
            let (client, told) = (client.clone(), told.clone());
            tokio::spawn(async move { told.wish(&client).await })
        })
        .collect();
    for kill in 0..KILLS {
        told.charged_more(ORDERS_BETWEEN).await?;
        server.kill()?;
        server.restart().await?;
        let back = Instant::now();
        told.charged_more(1).await?;
        check(back.elapsed() < BACK_MAX, || format!("kill {kill}: {:?} until an order", back.elapsed()))?;
        check(told.next.load(Ordering::Relaxed) < WISHES_MAX, || "too many wishes".to_owned())?;
    }
    told.over.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await?;
    }
    let open = std::mem::take(&mut *told.open.lock().unwrap());
    let settling: Vec<_> = open
        .into_iter()
        .map(|wish| {
            let client = client.clone();
            tokio::spawn(async move { (client.insist(&wish, SETTLED_MAX).await, wish) })
        })
        .collect();
    for settled in settling {
        let (order, wish) = settled.await?;
        told.charge(&wish, order.ok_or_else(|| format!("{wish:?} is not settled"))?);
    }
    let orders = told.orders.lock().unwrap().clone();
    for (wish, order) in &orders {
        let (status, body) = client.get(wish % 2, *order).await;
        check(status == 200 && body["status"] == "PAID", || format!("{wish}: {status} {body}"))?;
    }
    books_agree(&server, "orders", "payments", orders.len()).await?;
    for system in systems {
        system.stop().await.map_err(whole)?;
    }
    Ok(())
}
