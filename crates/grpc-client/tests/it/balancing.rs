//! The shares of calls that each balancing policy gives to the endpoints.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{Channel, Metrics};
use prometheus_client::registry::Registry;

use crate::{
    backend::{Backend, Handler},
    client::{balanced, builder, call, channel_by, eventually},
    metrics::{endpoint_label, sample},
};

/// Handler times. Long enough to outweigh the cost of calls on a busy machine.
const FAST: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_millis(400);
const CLIENTS: usize = 16;
const CALLS: usize = 720;

fn counts<const N: usize>(entered: &[Arc<AtomicUsize>; N]) -> [usize; N] {
    std::array::from_fn(|index| entered[index].swap(0, Ordering::Relaxed))
}

/// Makes `calls` calls, `clients` at once. Returns the elapsed time.
async fn work(channel: &Channel, clients: usize, calls: usize) -> Duration {
    let (left, started) = (Arc::new(AtomicUsize::new(calls)), Instant::now());
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let (channel, left) = (channel.clone(), left.clone());
            tokio::spawn(async move {
                let next = |left: usize| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
                    call(&channel, 1).await.unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    started.elapsed()
}

#[tokio::test]
async fn least_loaded_gives_few_calls_to_a_server_40_times_slower() {
    let handler = |index, entered: &_| Handler::echo_after(if index == 1 { SLOW } else { FAST }, entered);
    let (backends, entered) = Backend::start_each::<3>(handler);
    let addresses = backends.each_ref().map(|backend| backend.address);

    let in_turn = work(&channel_by(&balanced("round_robin"), &addresses), CLIENTS, CALLS).await;
    assert_eq!(counts(&entered), [CALLS / 3; 3]);

    let by_load = work(&channel_by(&balanced("least_loaded"), &addresses), CLIENTS, CALLS).await;
    let [_, slow, _] = counts(&entered);
    assert!(slow * 3 * 5 <= CALLS, "the slow server got {slow} of {CALLS} calls");
    // 13 times on an idle machine; the calls themselves take longer on a busy one.
    assert!(by_load * 2 <= in_turn, "least_loaded {by_load:?}, round_robin {in_turn:?}");
}

#[tokio::test]
async fn round_robin_shares_differ_by_at_most_one_call() {
    let (backends, entered) =
        Backend::start_each::<3>(|_, entered| Handler::echo_after(Duration::ZERO, entered));
    let channel = channel_by(&balanced("round_robin"), &backends.each_ref().map(|backend| backend.address));
    for clients in [1, 2, 16] {
        for calls in [31, 30, 32] {
            work(&channel, clients, calls).await;
            let shares = counts(&entered);
            assert_eq!(shares.iter().sum::<usize>(), calls);
            let (most, fewest) = (shares.iter().max().unwrap(), shares.iter().min().unwrap());
            assert!(most - fewest <= 1, "{clients} clients: {shares:?}");
        }
    }
}

#[tokio::test]
async fn pick_first_moves_to_the_second_when_the_first_is_killed_and_stays_there() {
    let ([first, second, third], entered) =
        Backend::start_each::<3>(|_, entered| Handler::echo_after(Duration::ZERO, entered));
    let (address, mut registry) = (first.address, Registry::default());
    let channel = builder(&balanced("pick_first"), &[address, second.address, third.address])
        .metrics(Metrics::register(&mut registry))
        .build()
        .unwrap();
    work(&channel, 4, 40).await;
    assert_eq!(counts(&entered), [40, 0, 0]);

    first.kill().await;
    // The channel may notice the loss only by a call.
    let lost = call(&channel, 1).await.is_err();
    work(&channel, 4, 40).await;
    assert_eq!(counts(&entered), [0, 41 - usize::from(lost), 0]);

    let label = endpoint_label(address);
    let is_ejected = || sample(&registry, "grpc_client_endpoint_ejected", &[&label]) == Some(1.0);
    assert!(is_ejected());
    let _first = Backend::start_at(address, Handler::echo_after(Duration::ZERO, &entered[0]));
    eventually("the first endpoint is back in use", || !is_ejected()).await;
    work(&channel, 4, 40).await;
    assert_eq!(counts(&entered), [0, 40, 0]);
}
