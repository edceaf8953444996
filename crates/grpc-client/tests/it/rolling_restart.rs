//! A rolling restart, as a deployment makes it: no caller sees it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    backend::{Backend, Handler},
    client::{balanced, call, channel_by, eventually},
};

const CALLERS: usize = 64;
const CALLS: usize = 20_000;
/// Calls between two restarts.
const CALLS_BETWEEN: usize = 300;
const RESTARTS_MIN: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_backends_restarted_in_turn_cost_no_call() {
    let handler = |entered: &_| Handler::echo_after(Duration::from_millis(2), entered);
    let (backends, entered) = Backend::start_each::<3>(|_, entered| handler(entered));
    let channel = channel_by(&balanced("round_robin"), &backends.each_ref().map(|backend| backend.address));
    let (begun, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (channel, begun, failed) = (channel.clone(), begun.clone(), failed.clone());
            tokio::spawn(async move {
                while begun.fetch_add(1, Ordering::Relaxed) < CALLS {
                    if let Err(status) = call(&channel, 1).await {
                        failed.lock().unwrap().push(status);
                    }
                }
            })
        })
        .collect();
    let (mut backends, mut restarts) = (backends.map(Some), 0);
    while begun.load(Ordering::Relaxed) < CALLS {
        let index = restarts % backends.len();
        let goal = CALLS.min(begun.load(Ordering::Relaxed) + CALLS_BETWEEN);
        eventually("more calls", || begun.load(Ordering::Relaxed) >= goal).await;
        let stopped = backends[index].take().unwrap();
        let address = stopped.address;
        stopped.stop().await;
        backends[index] = Some(Backend::start_at(address, handler(&entered[index])));
        restarts += 1;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(failed.lock().unwrap().is_empty(), "{failed:?}");
    assert!(restarts >= RESTARTS_MIN, "only {restarts} restarts");
}
