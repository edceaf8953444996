//! What a channel counts and tells of its attempts.

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
use tonic::{Response, Status};

use crate::{
    backend::{Backend, Handler, order, own_ip},
    client::{builder, call, channel_by, eventually, retrying},
    dns::{Answer, Names},
};

/// The value of the first sample of `name` whose labels hold every one of `labels`.
pub(crate) fn shown(registry: &Registry, name: &str, labels: &[&str]) -> Option<f64> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    let sample = text.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
            && labels.iter().all(|label| line.contains(label))
    })?;
    sample.rsplit_once(' ')?.1.parse().ok()
}

/// The label that names an endpoint.
pub(crate) fn at(address: SocketAddr) -> String {
    format!("endpoint=\"{address}\"")
}

/// Fails the first two calls, and answers the others.
fn ill_at_first() -> Handler {
    let calls = AtomicUsize::new(0);
    Handler::new(move |_| {
        let answers = calls.fetch_add(1, Ordering::Relaxed) >= 2;
        async move { if answers { Ok(Response::new(order(1))) } else { Err(Status::unavailable("")) } }
    })
}

#[tokio::test]
async fn attempts_retries_and_durations_are_counted_by_endpoint_method_and_status() {
    let backend = Backend::start(ill_at_first());
    let gone = std::net::TcpListener::bind((own_ip(), 0)).unwrap().local_addr().unwrap();
    let mut registry = Registry::default();
    let channel = builder(&retrying(""), &[gone, backend.address])
        .metrics(Metrics::register(&mut registry))
        .build()
        .unwrap();
    call(&channel, 1).await.unwrap();
    let method = "method=\"Order/Get\"";
    let target = format!("target=\"{gone},{}\"", backend.address);
    let of = |name: &str, address, more: &str| shown(&registry, name, &[&at(address), &target, more]);
    for (name, at_gone, at_backend) in [
        ("grpc_client_attempt_started_total", 1.0, 3.0),
        ("grpc_client_call_retries_total", 0.0, 2.0),
        ("grpc_client_call_transparent_retries_total", 0.0, 1.0),
    ] {
        assert_eq!(
            (of(name, gone, method), of(name, backend.address, method)),
            (Some(at_gone), Some(at_backend))
        );
    }
    let ended = |address, status: &str| {
        let labels = format!("{method},grpc_status=\"{status}\"");
        of("grpc_client_attempt_duration_seconds_count", address, &labels)
    };
    assert_eq!((ended(gone, "UNAVAILABLE"), ended(gone, "OK")), (Some(1.0), None));
    assert_eq!((ended(backend.address, "UNAVAILABLE"), ended(backend.address, "OK")), (Some(2.0), Some(1.0)));
    for (name, at_gone) in
        [("grpc_client_endpoint_ejections_total", 1.0), ("grpc_client_endpoint_ejected", 1.0)]
    {
        assert_eq!((of(name, gone, ""), of(name, backend.address, "")), (Some(at_gone), Some(0.0)), "{name}");
    }
    assert_eq!(of("grpc_client_attempts_in_flight", backend.address, ""), Some(0.0));
}

#[tokio::test]
async fn an_attempt_is_in_flight_until_it_is_answered_or_its_caller_leaves() {
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::echo_after(Duration::from_secs(60), &entered));
    let mut registry = Registry::default();
    let channel =
        builder("{}", &[backend.address]).metrics(Metrics::register(&mut registry)).build().unwrap();
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { call(&channel, 1).await })
        })
        .collect();
    eventually("three calls", || entered.load(Ordering::Relaxed) == 3).await;
    assert_eq!(shown(&registry, "grpc_client_attempts_in_flight", &[]), Some(3.0));
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    eventually("no calls", || shown(&registry, "grpc_client_attempts_in_flight", &[]) == Some(0.0)).await;
    let cancelled = shown(&registry, "grpc_client_attempt_duration_seconds_count", &["status=\"CANCELLED\""]);
    assert_eq!(cancelled, Some(3.0));
}

/// Whether anything is shown of an address.
fn is_shown(registry: &Registry, address: SocketAddr) -> bool {
    let label = at(address);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text.contains(&label)
}

fn named(names: &Names, metrics: &Metrics) -> Channel {
    let target = "dns:///orders.test:3000".parse().unwrap();
    Channel::builder(target).resolver(names.clone()).metrics(metrics.clone()).build().unwrap()
}

#[tokio::test]
async fn an_endpoint_that_has_left_is_forgotten_and_one_that_came_back_is_not() {
    let [old, new] = [(); 2].map(|()| Backend::start(Handler::echo()));
    let names = Names::saying(Answer::Addresses(vec![old.address]));
    let mut registry = Registry::default();
    let channel = named(&names, &Metrics::register(&mut registry));
    let started = |address| shown(&registry, "grpc_client_attempt_started_total", &[&at(address)]);
    call(&channel, 1).await.unwrap();
    assert_eq!(started(old.address), Some(1.0));

    names.say(Answer::Addresses(vec![new.address]));
    names.are_asked_again().await;
    call(&channel, 1).await.unwrap();
    assert!(!is_shown(&registry, old.address) && started(new.address) == Some(1.0));
}

#[tokio::test]
async fn an_endpoint_that_comes_back_while_a_call_to_it_is_under_way_is_still_shown_after_that() {
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
    let gone = std::net::TcpListener::bind((own_ip(), 0)).unwrap().local_addr().unwrap();
    let names = Names::saying(Answer::Addresses(vec![backend.address]));
    let mut registry = Registry::default();
    let channel = named(&names, &Metrics::register(&mut registry));
    let under_way = {
        let channel = channel.clone();
        let far = tokio::time::Instant::now() + Duration::from_secs(60);
        tokio::spawn(async move { crate::client::call_by(&channel, 1, far).await })
    };
    let in_flight = || shown(&registry, "grpc_client_attempts_in_flight", &[&at(backend.address)]);
    eventually("a call is under way", || entered.load(Ordering::Relaxed) == 1).await;
    // Time is not made to pass here, since the call's connection would miss its pings. An address that fails has the
    // name asked for again soon.
    names.say(Answer::Addresses(vec![gone, other.address]));
    names.are_asked().await;
    call(&channel, 1).await.unwrap();
    names.say(Answer::Addresses(vec![backend.address]));
    names.are_asked().await;
    release.send_replace(true);
    under_way.await.unwrap().unwrap();
    call(&channel, 1).await.unwrap();
    assert_eq!(in_flight(), Some(0.0));
    let started = shown(&registry, "grpc_client_attempt_started_total", &[&at(backend.address)]);
    assert_eq!(started, Some(2.0));
}

/// Two channels to one target count in one place.
#[tokio::test]
async fn what_one_channel_counts_is_not_forgotten_with_another() {
    let backend = Backend::start(Handler::echo());
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let [first, second] =
        [(); 2].map(|()| builder("{}", &[backend.address]).metrics(metrics.clone()).build().unwrap());
    call(&first, 1).await.unwrap();
    call(&second, 1).await.unwrap();
    drop(first);
    call(&second, 1).await.unwrap();
    let started = shown(&registry, "grpc_client_attempt_started_total", &[&at(backend.address)]);
    assert_eq!(started, Some(3.0));
    drop(second);
    eventually("it is forgotten", || !is_shown(&registry, backend.address)).await;
}

/// Keeps what is written, by lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_attempt_has_a_span_that_names_its_endpoint_and_number() {
    let lines = Lines::default();
    let subscriber = {
        let lines = lines.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::NEW)
            .with_writer(move || lines.clone())
            .finish()
    };
    let _kept = tracing::subscriber::set_default(subscriber);
    let backend = Backend::start(ill_at_first());
    call(&channel_by(&retrying(""), &[backend.address]), 1).await.unwrap();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for number in 1..=3 {
        let span = format!("attempt{{endpoint={} number={number}", backend.address);
        assert_eq!(text.matches(&span).count(), 1, "{span} in {text}");
    }
}
