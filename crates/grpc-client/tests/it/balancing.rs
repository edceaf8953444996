//! Which backend gets how much of the work, by each policy.

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
    metrics::shown,
};

/// What one backend takes for a call, and what the slow one does: forty times as long. Long enough to outweigh what
/// calls cost on a busy machine.
const FAST: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_millis(400);
const CALLERS: usize = 16;
const CALLS: usize = 720;

fn counts<const N: usize>(entered: &[Arc<AtomicUsize>; N]) -> [usize; N] {
    std::array::from_fn(|index| entered[index].swap(0, Ordering::Relaxed))
}

/// Makes `calls` calls, as many as there are `callers` at once.
async fn work(channel: &Channel, callers: usize, calls: usize) -> Duration {
    let (left, started) = (Arc::new(AtomicUsize::new(calls)), Instant::now());
    let callers: Vec<_> = (0..callers)
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
    for caller in callers {
        caller.await.unwrap();
    }
    started.elapsed()
}

#[tokio::test]
async fn a_backend_forty_times_slower_gets_little_and_holds_up_nobody() {
    let slow_one = |index, entered: &_| Handler::echo_after(if index == 1 { SLOW } else { FAST }, entered);
    let (backends, entered) = Backend::start_each::<3>(slow_one);
    let addresses = backends.each_ref().map(|backend| backend.address);

    let in_turn = work(&channel_by(&balanced("round_robin"), &addresses), CALLERS, CALLS).await;
    assert_eq!(counts(&entered), [CALLS / 3; 3]);

    let by_load = work(&channel_by(&balanced("least_loaded"), &addresses), CALLERS, CALLS).await;
    let [_, slow, _] = counts(&entered);
    assert!(slow * 3 * 5 <= CALLS, "the slow one got {slow} of {CALLS}");
    assert!(by_load * 4 <= in_turn, "{by_load:?}, and {in_turn:?} in turn");
}

#[tokio::test]
async fn in_turn_no_share_differs_from_another_by_more_than_one() {
    let (backends, entered) =
        Backend::start_each::<3>(|_, entered| Handler::echo_after(Duration::ZERO, entered));
    let channel = channel_by(&balanced("round_robin"), &backends.each_ref().map(|backend| backend.address));
    for callers in [1, 2, 16] {
        for calls in [31, 30, 32] {
            work(&channel, callers, calls).await;
            let shares = counts(&entered);
            assert_eq!(shares.iter().sum::<usize>(), calls);
            let (most, fewest) = (shares.iter().max().unwrap(), shares.iter().min().unwrap());
            assert!(most - fewest <= 1, "{callers} callers: {shares:?}");
        }
    }
}

#[tokio::test]
async fn the_first_gets_everything_until_it_is_killed_and_then_the_second_does() {
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
    // The loss may be learnt of by a call.
    let lost = call(&channel, 1).await.is_err();
    work(&channel, 4, 40).await;
    assert_eq!(counts(&entered), [0, 41 - usize::from(lost), 0]);

    let label = format!("endpoint=\"{address}\"");
    let is_out = || shown(&registry, "grpc_client_endpoint_ejected", &[&label]) == Some(1.0);
    assert!(is_out());
    let _first = Backend::start_at(address, Handler::echo_after(Duration::ZERO, &entered[0]));
    eventually("the first is in use again", || !is_out()).await;
    work(&channel, 4, 40).await;
    assert_eq!(counts(&entered), [0, 40, 0]);
}
