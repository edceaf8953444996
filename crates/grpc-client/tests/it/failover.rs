//! Failed servers, under clients without a retry policy: ejection and transparent retries keep errors from
//! the clients.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{Channel, Failure, Metrics, RECONNECT_INTERVAL};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::{
    backend::{Backend, Handler, own_ip},
    client::{balanced, builder, call, channel_by, eventually, failure},
    load::Clients,
    metrics::{endpoint_label, sample},
    network::{Proxy, full_backlog},
};

use Fault::{DroppedConnections, LostPackets, RefusedConnections};

const CLIENTS: usize = 4;
/// Pause between two calls of a client.
const PAUSE: Duration = Duration::from_millis(20);
/// How long calls may fail after a server failed.
const DETECTION_MAX: Duration = Duration::from_secs(2);
/// Responses in a row, without a failed call, that end an observation.
const OBSERVED_RESPONSES: usize = 300;
/// Time until a restarted server gets calls: two ejection backoffs and a health check.
const RETURN_MAX: Duration = Duration::from_secs(9);

/// Clients under observation, for one scenario.
struct Observed {
    scenario: String,
    clients: Clients,
}

impl Observed {
    async fn start(scenario: String, channel: &Channel) -> Self {
        let clients = Clients::start(channel, CLIENTS, PAUSE, Duration::from_secs(1));
        clients.more_responses(20).await;
        Self { scenario, clients }
    }

    /// Asserts that no call failed that started at `since` or later.
    fn assert_no_error_since(&self, since: Instant) {
        let failed = self.clients.failed();
        assert!(failed.iter().all(|call| call.started < since), "{}: {failed:?}", self.scenario);
    }

    /// Asserts that calls fail for at most [`DETECTION_MAX`] from now, and then no more.
    async fn assert_errors_end(&self) {
        let failed_at = Instant::now();
        let mut failed = usize::MAX;
        while self.clients.failed().len() != failed {
            failed = self.clients.failed().len();
            self.clients.more_responses(OBSERVED_RESPONSES).await;
        }
        self.assert_no_error_since(failed_at + DETECTION_MAX);
    }
}

async fn assert_gets_calls(entered: &Arc<AtomicUsize>) {
    let (before, since) = (entered.load(Ordering::Relaxed), Instant::now());
    eventually("calls to the restarted server", || entered.load(Ordering::Relaxed) > before).await;
    assert!(since.elapsed() < RETURN_MAX, "{:?}", since.elapsed());
}

fn three() -> ([Backend; 3], [Arc<AtomicUsize>; 3]) {
    Backend::start_each(|_, entered| Handler::echo_after(Duration::from_millis(1), entered))
}

fn addresses(backends: &[Backend; 3]) -> [SocketAddr; 3] {
    backends.each_ref().map(|backend| backend.address)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// The server is killed.
    RefusedConnections,
    /// The server is killed, and new connections get no response.
    DroppedConnections,
    /// Nothing is forwarded, and connections stay open.
    LostPackets,
}

/// `count` of three servers fail by `fault` and return.
async fn fail_and_return(fault: Fault, count: usize, policy: &str) {
    let (backends, entered) = three();
    let (mut listed, mut proxies) = (addresses(&backends), Vec::new());
    if fault == LostPackets {
        for address in &mut listed {
            let proxy = Proxy::before(*address).await;
            *address = proxy.address;
            proxies.push(proxy);
        }
    }
    let scenario = format!("{count} of 3 {fault:?}, {policy}");
    let observed = Observed::start(scenario, &channel_by(&balanced(policy), &listed)).await;
    let (mut running, mut backlogs) = (Vec::from(backends), Vec::new());
    proxies.iter().take(count).for_each(Proxy::pause);
    if fault != LostPackets {
        for backend in running.drain(..count) {
            let address = backend.address;
            backend.kill().await;
            if fault == DroppedConnections {
                backlogs.push(Some(full_backlog(address).await));
            }
        }
    }
    observed.assert_errors_end().await;
    let since = Instant::now();
    for index in 0..count {
        drop(backlogs.get_mut(index).and_then(Option::take));
        match proxies.get(index) {
            Some(proxy) => proxy.resume(),
            None => {
                let handler = Handler::echo_after(Duration::ZERO, &entered[index]);
                running.push(Backend::start_at(listed[index], handler));
            }
        }
        assert_gets_calls(&entered[index]).await;
    }
    observed.assert_no_error_since(since);
}

/// Stops forwarding to the first of three servers, then to the second.
async fn lost_packets_of_preferred_servers() {
    let (backends, entered) = three();
    let [first, second, third] = addresses(&backends);
    let proxies = [Proxy::before(first).await, Proxy::before(second).await];
    let listed = [proxies[0].address, proxies[1].address, third];
    let channel = channel_by(&balanced("pick_first"), &listed);
    let observed = Observed::start("preferred servers".to_owned(), &channel).await;
    proxies[0].pause();
    observed.assert_errors_end().await;
    proxies[1].pause();
    observed.assert_errors_end().await;
    assert!(entered[2].load(Ordering::Relaxed) > 0);
}

/// All scenarios at once, because they mostly wait.
#[tokio::test]
async fn calls_fail_for_at_most_two_seconds_after_one_or_two_of_three_servers_fail() {
    tokio::join!(
        fail_and_return(RefusedConnections, 1, "round_robin"),
        fail_and_return(RefusedConnections, 2, "least_loaded"),
        fail_and_return(LostPackets, 1, "round_robin"),
        fail_and_return(LostPackets, 2, "round_robin"),
        fail_and_return(LostPackets, 2, "least_loaded"),
        lost_packets_of_preferred_servers(),
        fail_and_return(DroppedConnections, 1, "round_robin"),
        fail_and_return(DroppedConnections, 2, "least_loaded"),
    );
}

#[tokio::test]
async fn calls_fail_at_once_without_servers_and_succeed_with_the_first_that_returns() {
    for policy in ["pick_first", "round_robin", "least_loaded"] {
        let (backends, entered) = three();
        let listed = addresses(&backends);
        let channel = channel_by(&balanced(policy), &listed);
        for _ in 0..6 {
            call(&channel, 1).await.unwrap();
        }
        for backend in backends {
            backend.kill().await;
        }
        // The first calls may find connections whose loss is not noticed yet.
        for _ in 0..3 {
            let _ = call(&channel, 1).await;
        }
        let started = Instant::now();
        for _ in 0..20 {
            assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan, "{policy}");
        }
        assert!(started.elapsed() < Duration::from_secs(1), "{policy}: {:?}", started.elapsed());
        let _one = Backend::start_at(listed[1], Handler::echo_after(Duration::ZERO, &entered[1]));
        call_until_reconnected(&channel).await;
        for _ in 0..20 {
            call(&channel, 1).await.unwrap();
        }
    }
}

/// There is no other endpoint to use.
#[tokio::test]
async fn only_endpoint_is_never_ejected() {
    let mut registry = Registry::default();
    let backend = Backend::start(Handler::failing(tonic::Status::unavailable(""), &Arc::default()));
    let address = backend.address;
    let channel = builder(&balanced("round_robin"), &[address])
        .metrics(Metrics::register(&mut registry))
        .build()
        .unwrap();
    for _ in 0..20 {
        assert_eq!(failure(call(&channel, 1).await), Failure::ServerStatus);
    }
    backend.kill().await;
    let _ = call(&channel, 1).await;
    for _ in 0..20 {
        assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    }
    assert_eq!(sample(&registry, "grpc_client_endpoint_ejections_total", &[]), Some(0.0));
    assert_eq!(sample(&registry, "grpc_client_endpoint_ejected", &[]), Some(0.0));
    let _backend = Backend::start_at(address, Handler::echo());
    call_until_reconnected(&channel).await;
}

/// Calls until a server that was started before is connected to: at most [`RECONNECT_INTERVAL`], plus
/// reserve for a busy machine.
async fn call_until_reconnected(channel: &Channel) {
    let started = Instant::now();
    while let Err(status) = call(channel, 1).await {
        assert_eq!(Failure::of(&status), Failure::NeverRan);
        assert!(started.elapsed() < RECONNECT_INTERVAL + Duration::from_secs(1), "{status:?}");
    }
}

/// A peer that closes each connection before its first byte, as a proxy without a backend does.
async fn closing_peer() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((own_ip(), 0)).await.unwrap();
    let (address, dials) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counter = dials.clone();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, dials)
}

/// Also for an only endpoint, which is never ejected.
#[tokio::test]
async fn calls_between_two_attempts_to_connect_fail_at_once() {
    for endpoints in [1, 3] {
        let (mut listed, mut dials) = (Vec::new(), Vec::new());
        for _ in 0..endpoints {
            let (address, counter) = closing_peer().await;
            listed.push(address);
            dials.push(counter);
        }
        let channel = channel_by(&balanced("round_robin"), &listed);
        let (started, mut calls) = (Instant::now(), 0);
        while started.elapsed() < 5 * RECONNECT_INTERVAL {
            assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
            calls += 1;
        }
        let intervals = started.elapsed().as_millis() / RECONNECT_INTERVAL.as_millis();
        let dials: Vec<_> = dials.iter().map(|dials| dials.load(Ordering::Relaxed)).collect();
        let is_expected = |dials: &usize| (2..=intervals + 1).contains(&u128::try_from(*dials).unwrap());
        assert!(dials.iter().all(is_expected), "{dials:?} in {intervals} intervals");
        assert!(calls > 10 * dials.iter().sum::<usize>(), "{calls} calls, {dials:?} attempts to connect");
    }
}

/// A server in graceful shutdown still responds to its calls, but accepts no new connections.
#[tokio::test]
async fn late_responses_of_a_server_in_shutdown_do_not_uneject_it() {
    let (release, mut registry) = (tokio::sync::watch::Sender::new(0), Registry::default());
    let entered = Arc::new(AtomicUsize::new(0));
    let stopping = {
        let (release, entered) = (release.clone(), entered.clone());
        Backend::start(Handler::new(move |request| {
            let (mut released, id) = (release.subscribe(), request.get_ref().order_id);
            entered.fetch_add(1, Ordering::Relaxed);
            async move {
                released.wait_for(|released| *released >= id).await.unwrap();
                Ok(tonic::Response::new(crate::backend::order(id)))
            }
        }))
    };
    let other = Backend::start(Handler::echo());
    let address = stopping.address;
    let channel = builder(&balanced("round_robin"), &[address, other.address])
        .metrics(Metrics::register(&mut registry))
        .build()
        .unwrap();
    let mut calls = Vec::new();
    for id in 1..=10 {
        let channel = channel.clone();
        calls.push(tokio::spawn(async move { call(&channel, id).await }));
    }
    eventually("five calls are in flight", || entered.load(Ordering::Relaxed) == 5).await;
    let stopped = tokio::spawn(stopping.shut_down());
    let ejections = || sample(&registry, "grpc_client_endpoint_ejections_total", &[&endpoint_label(address)]);
    while ejections() != Some(1.0) {
        call(&channel, 0).await.unwrap();
    }
    for (id, in_flight) in (1..).zip(calls) {
        release.send_replace(id);
        in_flight.await.unwrap().unwrap();
        for _ in 0..2 {
            call(&channel, 0).await.unwrap();
        }
        assert_eq!(ejections(), Some(1.0), "response {id}");
    }
    stopped.await.unwrap();
}
