//! `dns:` targets whose addresses change.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{
    CONNECT_TIMEOUT, Channel, DEADLINE_DEFAULT, Failure, RESOLVE_INTERVAL, Resolve, ResolveFuture,
};
use tokio::sync::watch;

use crate::{
    backend::{Backend, Handler},
    client::{balanced, call, eventually, failure, failure_and_code},
    load::Clients,
};

/// The result of a resolution.
#[derive(Debug, Clone, Default)]
pub(crate) enum DnsResult {
    Addresses(Vec<SocketAddr>),
    #[default]
    Failure,
    NoResponse,
}

/// A resolver with a result that the test sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeDns {
    result: Arc<Mutex<DnsResult>>,
    resolutions: watch::Sender<u64>,
}

impl FakeDns {
    pub(crate) fn returning(result: DnsResult) -> Self {
        Self { result: Arc::new(Mutex::new(result)), ..Self::default() }
    }

    pub(crate) fn set(&self, result: DnsResult) {
        *self.result.lock().unwrap() = result;
    }

    /// Advances the clock by two resolutions: the first of them is applied when the second starts.
    pub(crate) async fn advance_to_next_resolution(&self) {
        let mut resolutions = self.resolutions.subscribe();
        tokio::time::pause();
        for _ in 0..2 {
            resolutions.changed().await.unwrap();
        }
        tokio::time::resume();
    }

    /// Waits for a resolution in real time.
    pub(crate) async fn next_resolution(&self) {
        self.resolutions.subscribe().changed().await.unwrap();
    }

    fn channel(&self, policy: &str) -> Channel {
        let target = "dns:///orders.test:3000".parse().unwrap();
        let config = balanced(policy).parse().unwrap();
        Channel::builder(target).service_config(config).resolver(self.clone()).build().unwrap()
    }
}

impl Resolve for FakeDns {
    fn resolve(&self, host: &str, port: u16) -> ResolveFuture {
        assert_eq!((host, port), ("orders.test", 3000));
        self.resolutions.send_modify(|count| *count += 1);
        let result = self.result.lock().unwrap().clone();
        Box::pin(async move {
            match result {
                DnsResult::Addresses(addresses) => Ok(addresses),
                DnsResult::Failure => Err(io::Error::other("SERVFAIL")),
                DnsResult::NoResponse => std::future::pending().await,
            }
        })
    }
}

fn two() -> ([Backend; 2], [Arc<AtomicUsize>; 2]) {
    Backend::start_each(|_, entered| Handler::echo_after(Duration::from_millis(2), entered))
}

#[tokio::test]
async fn changed_addresses_are_used_without_a_failed_call() {
    let ([old, new], [by_old, by_new]) = two();
    let dns = FakeDns::returning(DnsResult::Addresses(vec![old.address]));
    let clients =
        Clients::start(&dns.channel("round_robin"), 64, Duration::from_millis(20), DEADLINE_DEFAULT);
    let count = |entered: &AtomicUsize| entered.load(Ordering::Relaxed);
    eventually("calls to the old address", || count(&by_old) > 200).await;
    let changed_at = Instant::now();
    // Both addresses for a while, as in a rollout, then the new one alone.
    dns.set(DnsResult::Addresses(vec![old.address, new.address]));
    eventually("calls to the new address", || count(&by_new) > 200).await;
    assert!(changed_at.elapsed() < RESOLVE_INTERVAL + Duration::from_secs(2));
    dns.set(DnsResult::Addresses(vec![new.address]));
    let mut last = (count(&by_old), Instant::now());
    eventually("no more calls to the old address", || {
        if count(&by_old) != last.0 {
            last = (count(&by_old), Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(500)
    })
    .await;
    // No call is in flight there, so that a graceful shutdown ends at once and fails no call.
    tokio::time::timeout(Duration::from_secs(2), old.shut_down()).await.unwrap();
    let failed = clients.stop().await;
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn failed_resolution_keeps_the_known_addresses() {
    let ([backend, _other], _) = two();
    let dns = FakeDns::returning(DnsResult::Addresses(vec![backend.address]));
    let channel = dns.channel("round_robin");
    call(&channel, 1).await.unwrap();
    for result in [DnsResult::Addresses(Vec::new()), DnsResult::Failure, DnsResult::NoResponse] {
        dns.set(result);
        dns.advance_to_next_resolution().await;
        call(&channel, 1).await.unwrap();
    }
}

#[tokio::test]
async fn name_that_resolves_later_is_used_within_two_seconds() {
    let ([backend, _other], _) = two();
    let dns = FakeDns::default();
    let channel = dns.channel("pick_first");
    assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    dns.set(DnsResult::Addresses(vec![backend.address]));
    let started = Instant::now();
    call(&channel, 1).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn call_to_a_name_without_address_fails_after_the_connect_timeout() {
    let fails = async |result: DnsResult| {
        let channel = FakeDns::returning(result.clone()).channel("least_loaded");
        for _ in 0..2 {
            let started = Instant::now();
            let result_of_call = failure_and_code(call(&channel, 1).await);
            assert_eq!(result_of_call, (Failure::NeverRan, tonic::Code::Unavailable), "{result:?}");
            let elapsed = started.elapsed();
            assert!(elapsed < CONNECT_TIMEOUT + Duration::from_secs(1), "{result:?}: {elapsed:?}");
        }
    };
    tokio::join!(
        fails(DnsResult::Failure),
        fails(DnsResult::Addresses(Vec::new())),
        fails(DnsResult::NoResponse)
    );
}

/// A pending resolution must not prevent the next one.
#[tokio::test]
async fn resolver_without_response_is_called_again() {
    let ([backend, _other], _) = two();
    let dns = FakeDns::returning(DnsResult::NoResponse);
    let channel = dns.channel("pick_first");
    assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    dns.set(DnsResult::Addresses(vec![backend.address]));
    dns.advance_to_next_resolution().await;
    call(&channel, 1).await.unwrap();
}

#[tokio::test]
async fn failed_connection_triggers_an_early_resolution() {
    let ([old, new], _) = two();
    let dns = FakeDns::returning(DnsResult::Addresses(vec![old.address]));
    let channel = dns.channel("pick_first");
    call(&channel, 1).await.unwrap();
    // The next regular resolution is 5 s away.
    dns.advance_to_next_resolution().await;
    old.kill().await;
    dns.set(DnsResult::Addresses(vec![new.address]));
    let started = Instant::now();
    while call(&channel, 1).await.is_err() {
        assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
