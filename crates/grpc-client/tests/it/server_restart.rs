//! Looks for a false "never ran": callers under load, a server that is stopped and killed over and over, and
//! every id that a handler was entered with.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use grpc_client::{Channel, Failure};
use tonic::{Response, Status};

use crate::{
    backend::{Backend, Handler, order},
    client::{call, channel_to, eventually},
};

const CALLERS: usize = 64;
const ROUNDS: usize = 10;
/// Calls that must have been answered before a server is ended again.
const ANSWERS_PER_ROUND: i64 = 200;

#[derive(Clone, Default)]
struct Load {
    next_id: Arc<AtomicI64>,
    answered: Arc<AtomicI64>,
    done: Arc<AtomicBool>,
    entered: Arc<Mutex<BTreeSet<i64>>>,
    failed: Arc<Mutex<Vec<(i64, Failure, Status)>>>,
}

impl Load {
    /// A handler that notes every entry and then works for a moment, so that there is something in flight.
    fn handler(&self) -> Handler {
        let entered = self.entered.clone();
        Handler::new(move |request| {
            let id = request.get_ref().order_id;
            entered.lock().unwrap().insert(id);
            async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                Ok(Response::new(order(id)))
            }
        })
    }

    fn start(&self, address: SocketAddr) -> Vec<tokio::task::JoinHandle<()>> {
        let channel = channel_to(address);
        (0..CALLERS).map(|_| tokio::spawn(self.clone().keep_calling(channel.clone()))).collect()
    }

    async fn keep_calling(self, channel: Channel) {
        while !self.done.load(Ordering::Relaxed) {
            let id = self.next_id.fetch_add(1, Ordering::Relaxed);
            match call(&channel, id).await {
                Ok(_) => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
                Err(status) => {
                    self.failed.lock().unwrap().push((id, Failure::of(&status), status));
                    // A dead server answers at once: leave the processor to whoever starts it again.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    async fn more_answers(&self) {
        let goal = self.answered.load(Ordering::Relaxed) + ANSWERS_PER_ROUND;
        eventually("more answers", || self.answered.load(Ordering::Relaxed) >= goal).await;
    }

    /// Ends the load, and checks every call that failed against what really ran.
    async fn finish(&self, callers: Vec<tokio::task::JoinHandle<()>>) {
        self.done.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        let entered = self.entered.lock().unwrap();
        let failed = self.failed.lock().unwrap();
        for (id, failure, status) in &*failed {
            assert!(!(failure.never_ran() && entered.contains(id)), "call {id} ran: {status:?}");
            assert!(
                matches!(failure, Failure::NeverRan | Failure::ConnectionLost),
                "{failure:?}: {status:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_cut_by_a_kill_is_told_that_it_never_ran() {
    let load = Load::default();
    let mut backend = Backend::start(load.handler());
    let callers = load.start(backend.address);
    for _ in 0..ROUNDS {
        load.more_answers().await;
        let address = backend.address;
        backend.kill().await;
        backend = Backend::start_at(address, load.handler());
    }
    load.more_answers().await;
    load.finish(callers).await;
    let lost = load.failed.lock().unwrap().iter().any(|(_, failure, _)| *failure == Failure::ConnectionLost);
    assert!(lost, "nothing was in flight when the server was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_polite_stop_costs_no_call_that_ran() {
    let load = Load::default();
    let mut backend = Backend::start(load.handler());
    let callers = load.start(backend.address);
    for _ in 0..ROUNDS {
        load.more_answers().await;
        let address = backend.address;
        backend.stop().await;
        backend = Backend::start_at(address, load.handler());
    }
    load.more_answers().await;
    load.finish(callers).await;
    // A connection that the kernel took and the server never did is lost, with calls that never ran.
    let entered = load.entered.lock().unwrap();
    let cut: Vec<_> = load
        .failed
        .lock()
        .unwrap()
        .iter()
        .filter(|(id, ..)| entered.contains(id))
        .map(|(id, ..)| *id)
        .collect();
    assert!(cut.is_empty(), "{cut:?}");
}
