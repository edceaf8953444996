//! Metrics and tracing spans of attempts.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use grpc_client::{Channel, Metrics};
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tonic::Response;
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt};

use crate::{
    backend::{Backend, Handler, order},
    client::{builder, call, call_by, channel_by, eventually, retrying},
    dns::{DnsResult, FakeDns},
    network::refused_address,
};

fn exposition(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text
}

/// The first sample of the metric `name` with all of these labels.
pub(crate) fn sample(registry: &Registry, name: &str, labels: &[&str]) -> Option<f64> {
    let text = exposition(registry);
    let sample = text.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
            && labels.iter().all(|label| line.contains(label))
    })?;
    sample.rsplit_once(' ')?.1.parse().ok()
}

pub(crate) fn endpoint_label(address: SocketAddr) -> String {
    format!("endpoint=\"{address}\"")
}

/// Attempts started at an endpoint.
fn started(registry: &Registry, address: SocketAddr) -> Option<f64> {
    sample(registry, "grpc_client_attempt_started_total", &[&endpoint_label(address)])
}

fn is_exported(registry: &Registry, address: SocketAddr) -> bool {
    exposition(registry).contains(&endpoint_label(address))
}

#[tokio::test]
async fn attempts_retries_and_durations_have_endpoint_method_and_status() {
    let backend = Backend::start(Handler::failing_first(2));
    let (refused, mut registry) = (refused_address(), Registry::default());
    let channel = builder(&retrying(""), &[refused, backend.address])
        .metrics(Metrics::register(&mut registry))
        .build()
        .unwrap();
    call(&channel, 1).await.unwrap();
    let method = "method=\"Order/Get\"";
    let target = format!("target=\"{refused},{}\"", backend.address);
    let at =
        |name: &str, address, more: &str| sample(&registry, name, &[&endpoint_label(address), &target, more]);
    for (name, at_refused, at_backend) in [
        ("grpc_client_attempt_started_total", 1.0, 3.0),
        ("grpc_client_call_retries_total", 0.0, 2.0),
        ("grpc_client_call_transparent_retries_total", 0.0, 1.0),
    ] {
        let values = (at(name, refused, method), at(name, backend.address, method));
        assert_eq!(values, (Some(at_refused), Some(at_backend)), "{name}");
    }
    for (address, status, count) in [
        (refused, "UNAVAILABLE", Some(1.0)),
        (refused, "OK", None),
        (backend.address, "UNAVAILABLE", Some(2.0)),
        (backend.address, "OK", Some(1.0)),
    ] {
        let labels = format!("{method},grpc_status=\"{status}\"");
        assert_eq!(at("grpc_client_attempt_duration_seconds_count", address, &labels), count, "{status}");
    }
    for name in ["grpc_client_endpoint_ejections_total", "grpc_client_endpoint_ejected"] {
        let values = (at(name, refused, ""), at(name, backend.address, ""));
        assert_eq!(values, (Some(1.0), Some(0.0)), "{name}");
    }
    assert_eq!(at("grpc_client_attempts_in_flight", backend.address, ""), Some(0.0));
}

#[tokio::test]
async fn attempt_is_in_flight_until_it_ends_or_its_call_is_dropped() {
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::echo_after(Duration::from_secs(60), &entered));
    let mut registry = Registry::default();
    let channel =
        builder("{}", &[backend.address]).metrics(Metrics::register(&mut registry)).build().unwrap();
    let calls = [(); 3].map(|()| {
        let channel = channel.clone();
        tokio::spawn(async move { call(&channel, 1).await })
    });
    eventually("three calls", || entered.load(Ordering::Relaxed) == 3).await;
    assert_eq!(sample(&registry, "grpc_client_attempts_in_flight", &[]), Some(3.0));
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    eventually("no calls", || sample(&registry, "grpc_client_attempts_in_flight", &[]) == Some(0.0)).await;
    let cancelled =
        sample(&registry, "grpc_client_attempt_duration_seconds_count", &["status=\"CANCELLED\""]);
    assert_eq!(cancelled, Some(3.0));
}

fn dns_channel(dns: &FakeDns, metrics: &Metrics) -> Channel {
    let target = "dns:///orders.test:3000".parse().unwrap();
    Channel::builder(target).resolver(dns.clone()).metrics(metrics.clone()).build().unwrap()
}

#[tokio::test]
async fn series_of_a_removed_endpoint_are_removed() {
    let [old, new] = [(); 2].map(|()| Backend::start(Handler::echo()));
    let dns = FakeDns::returning(DnsResult::Addresses(vec![old.address]));
    let mut registry = Registry::default();
    let channel = dns_channel(&dns, &Metrics::register(&mut registry));
    call(&channel, 1).await.unwrap();
    assert_eq!(started(&registry, old.address), Some(1.0));

    dns.set(DnsResult::Addresses(vec![new.address]));
    dns.advance_to_next_resolution().await;
    call(&channel, 1).await.unwrap();
    assert!(!is_exported(&registry, old.address) && started(&registry, new.address) == Some(1.0));
}

#[tokio::test]
async fn endpoint_added_again_during_a_call_to_it_keeps_its_series() {
    let (release, entered) = (tokio::sync::watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
    let backend = {
        let (release, entered) = (release.clone(), entered.clone());
        Backend::start(Handler::new(move |_| {
            entered.fetch_add(1, Ordering::Relaxed);
            let mut released = release.subscribe();
            async move {
                released.wait_for(|released| *released).await.unwrap();
                Ok(Response::new(order(1)))
            }
        }))
    };
    let other = Backend::start(Handler::echo());
    let dns = FakeDns::returning(DnsResult::Addresses(vec![backend.address]));
    let mut registry = Registry::default();
    let channel = dns_channel(&dns, &Metrics::register(&mut registry));
    let in_flight = {
        let channel = channel.clone();
        let deadline = Instant::now() + Duration::from_secs(60);
        tokio::spawn(async move { call_by(&channel, 1, deadline).await })
    };
    eventually("a call is in flight", || entered.load(Ordering::Relaxed) == 1).await;
    // The clock is not advanced here, because the connection would miss its pings. The refused address
    // triggers an early resolution instead.
    dns.set(DnsResult::Addresses(vec![refused_address(), other.address]));
    dns.next_resolution().await;
    call(&channel, 1).await.unwrap();
    dns.set(DnsResult::Addresses(vec![backend.address]));
    dns.next_resolution().await;
    release.send_replace(true);
    in_flight.await.unwrap().unwrap();
    call(&channel, 1).await.unwrap();
    let label = endpoint_label(backend.address);
    assert_eq!(sample(&registry, "grpc_client_attempts_in_flight", &[&label]), Some(0.0));
    assert_eq!(started(&registry, backend.address), Some(2.0));
}

#[tokio::test]
async fn two_channels_to_a_target_share_series_until_both_are_dropped() {
    let backend = Backend::start(Handler::echo());
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let [first, second] =
        [(); 2].map(|()| builder("{}", &[backend.address]).metrics(metrics.clone()).build().unwrap());
    call(&first, 1).await.unwrap();
    call(&second, 1).await.unwrap();
    drop(first);
    call(&second, 1).await.unwrap();
    assert_eq!(started(&registry, backend.address), Some(3.0));
    drop(second);
    eventually("the series are removed", || !is_exported(&registry, backend.address)).await;
}

/// A log writer to memory.
#[derive(Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_attempt_has_a_span_with_endpoint_and_number() {
    let log = LogBuffer::default();
    let writer = log.clone();
    let lines = fmt::layer()
        .with_ansi(false)
        .with_span_events(fmt::format::FmtSpan::NEW)
        .with_writer(move || writer.clone())
        .with_filter(Targets::new().with_target("grpc_client", tracing::Level::DEBUG));
    // Of the whole process: tracing caches call sites that a thread-local subscriber would miss.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines)).unwrap();
    let backend = Backend::start(Handler::failing_first(2));
    call(&channel_by(&retrying(""), &[backend.address]), 1).await.unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for number in 1..=3 {
        let span = format!("attempt{{endpoint={} number={number}", backend.address);
        assert_eq!(text.matches(&span).count(), 1, "{span} in {text}");
    }
}
