//! Backends that die, refusing or without a word, under callers whose method has no retry policy: what keeps
//! errors from them is ejection, and that a call which never ran is made anew elsewhere.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{Channel, Failure, Metrics};
use prometheus_client::registry::Registry;

use crate::{
    backend::{Backend, Handler},
    client::{balanced, builder, call, call_by, channel_by, eventually, failure},
    metrics::{at, shown},
    network::{Proxy, full_backlog},
};

const CALLERS: usize = 4;
/// Between two calls of a caller.
const PACE: Duration = Duration::from_millis(20);
/// From a death on, errors may be seen for so long.
const NOTICED: Duration = Duration::from_secs(2);
/// And then none for so long.
const WATCHED: Duration = Duration::from_millis(1500);
/// Two backoffs of an endpoint that was away for as long as these are, and one question to it.
const RETURNED: Duration = Duration::from_secs(9);

/// Callers that never stop, each with a second for each call.
#[derive(Clone, Default)]
struct Callers {
    /// When a call began, and how it failed.
    failed: Arc<Mutex<Vec<(Instant, String)>>>,
    answered: Arc<AtomicUsize>,
    of: String,
}

impl Callers {
    fn start(of: &str, channel: &Channel) -> Self {
        let callers = Self { of: of.to_owned(), ..Self::default() };
        for _ in 0..CALLERS {
            tokio::spawn(callers.clone().keep_calling(channel.clone()));
        }
        callers
    }

    async fn keep_calling(self, channel: Channel) {
        loop {
            let begun = Instant::now();
            match call_by(&channel, 1, tokio::time::Instant::now() + Duration::from_secs(1)).await {
                Ok(_) => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
                Err(status) => self.failed.lock().unwrap().push((begun, status.to_string())),
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Watches what they see of something that happened just now.
    async fn see_no_error_for_long(&self) {
        let happened = Instant::now();
        tokio::time::sleep(NOTICED + WATCHED).await;
        let failed = self.failed.lock().unwrap();
        let late: Vec<_> = failed.iter().filter(|(begun, _)| *begun > happened + NOTICED).collect();
        assert!(late.is_empty(), "{}: {late:?}", self.of);
    }

    /// Nothing has failed since `since`.
    fn assert_no_error_since(&self, since: Instant) {
        let failed = self.failed.lock().unwrap();
        assert!(failed.iter().all(|(begun, _)| *begun < since), "{}: {failed:?}", self.of);
    }

    async fn answers(&self, more: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + more;
        eventually("answers", || self.answered.load(Ordering::Relaxed) >= goal).await;
    }
}

async fn gets_calls_soon(entered: &Arc<AtomicUsize>) {
    let (before, since) = (entered.load(Ordering::Relaxed), Instant::now());
    eventually("calls to who came back", || entered.load(Ordering::Relaxed) > before).await;
    assert!(since.elapsed() < RETURNED, "{:?}", since.elapsed());
}

fn three() -> ([Backend; 3], [Arc<AtomicUsize>; 3]) {
    Backend::start_each(|_, entered| Handler::echo_after(Duration::from_millis(1), entered))
}

fn addresses(backends: &[Backend; 3]) -> [SocketAddr; 3] {
    backends.each_ref().map(|backend| backend.address)
}

/// Kills `dead` of three, and starts them again.
async fn refusing(dead: usize, policy: &str) {
    let (backends, entered) = three();
    let listed = addresses(&backends);
    let callers =
        Callers::start(&format!("{dead} refusing, {policy}"), &channel_by(&balanced(policy), &listed));
    callers.answers(20).await;
    let mut alive: Vec<_> = backends.into_iter().collect();
    for backend in alive.drain(..dead) {
        backend.kill().await;
    }
    callers.see_no_error_for_long().await;
    let since = Instant::now();
    for index in 0..dead {
        alive.push(Backend::start_at(listed[index], Handler::echo_after(Duration::ZERO, &entered[index])));
        gets_calls_soon(&entered[index]).await;
    }
    callers.assert_no_error_since(since);
}

/// Cuts `dead` of three off without a word, and brings them back.
async fn silent(dead: usize, policy: &str) {
    let (backends, entered) = three();
    let mut proxies = Vec::new();
    for address in addresses(&backends) {
        proxies.push(Proxy::before(address).await);
    }
    let listed: Vec<_> = proxies.iter().map(|proxy| proxy.address).collect();
    let callers =
        Callers::start(&format!("{dead} silent, {policy}"), &channel_by(&balanced(policy), &listed));
    callers.answers(20).await;
    proxies[..dead].iter().for_each(Proxy::fall_silent);
    callers.see_no_error_for_long().await;
    let since = Instant::now();
    for index in 0..dead {
        // What was held back is answered, or was given up.
        proxies[index].speak();
        gets_calls_soon(&entered[index]).await;
    }
    callers.assert_no_error_since(since);
}

/// Cuts the first of three off, and then the second.
async fn preferred_ones_silent() {
    let (backends, entered) = three();
    let [first, second, third] = addresses(&backends);
    let proxies = [Proxy::before(first).await, Proxy::before(second).await];
    let listed = [proxies[0].address, proxies[1].address, third];
    let callers = Callers::start("preferred ones silent", &channel_by(&balanced("pick_first"), &listed));
    callers.answers(20).await;
    proxies[0].fall_silent();
    callers.see_no_error_for_long().await;
    proxies[1].fall_silent();
    callers.see_no_error_for_long().await;
    assert!(entered[2].load(Ordering::Relaxed) > 0);
}

/// Kills `dead` of three; new connections to them are neither taken nor refused.
async fn unanswered(dead: usize, policy: &str) {
    let (backends, entered) = three();
    let listed = addresses(&backends);
    let callers =
        Callers::start(&format!("{dead} unanswered, {policy}"), &channel_by(&balanced(policy), &listed));
    callers.answers(20).await;
    let (mut alive, mut full): (Vec<_>, Vec<_>) = (backends.into_iter().collect(), Vec::new());
    for backend in alive.drain(..dead) {
        let address = backend.address;
        backend.kill().await;
        full.push(full_backlog(address).await);
    }
    callers.see_no_error_for_long().await;
    let since = Instant::now();
    for (index, (address, backlog)) in full.into_iter().enumerate() {
        drop(backlog);
        alive.push(Backend::start_at(address, Handler::echo_after(Duration::ZERO, &entered[index])));
        gets_calls_soon(&entered[index]).await;
    }
    callers.assert_no_error_since(since);
}

/// All of them at once, since most of it is waiting.
#[tokio::test]
async fn callers_see_no_error_two_seconds_after_whichever_of_three_died_in_whatever_way() {
    tokio::join!(
        refusing(1, "round_robin"),
        refusing(2, "least_loaded"),
        silent(1, "round_robin"),
        silent(2, "round_robin"),
        silent(2, "least_loaded"),
        preferred_ones_silent(),
        unanswered(1, "round_robin"),
        unanswered(2, "least_loaded"),
    );
}

#[tokio::test]
async fn with_all_dead_calls_fail_at_once_and_the_first_to_return_is_used_at_once() {
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
        // The first ones may find a connection whose death is not known yet.
        for _ in 0..3 {
            let _ = call(&channel, 1).await;
        }
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan, "{policy}");
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{policy}: {:?}", begun.elapsed());
        let _one = Backend::start_at(listed[1], Handler::echo_after(Duration::ZERO, &entered[1]));
        for _ in 0..20 {
            call(&channel, 1).await.unwrap();
        }
    }
}

/// There is nothing to be used instead of it.
#[tokio::test]
async fn the_only_endpoint_is_never_ejected() {
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
    assert_eq!(shown(&registry, "grpc_client_endpoint_ejections_total", &[]), Some(0.0));
    assert_eq!(shown(&registry, "grpc_client_endpoint_ejected", &[]), Some(0.0));
    let _backend = Backend::start_at(address, Handler::echo());
    call(&channel, 1).await.unwrap();
}

/// A server that drains answers what it has, and takes no connections any more.
#[tokio::test]
async fn late_answers_of_a_server_that_is_leaving_do_not_bring_it_back() {
    let (release, mut registry) = (tokio::sync::watch::Sender::new(0), Registry::default());
    let held = Arc::new(AtomicUsize::new(0));
    let leaving = {
        let (release, held) = (release.clone(), held.clone());
        Backend::start(Handler::new(move |request| {
            let (mut released, id) = (release.subscribe(), request.get_ref().order_id);
            held.fetch_add(1, Ordering::Relaxed);
            async move {
                released.wait_for(|released| *released >= id).await.unwrap();
                Ok(tonic::Response::new(crate::backend::order(id)))
            }
        }))
    };
    let other = Backend::start(Handler::echo());
    let address = leaving.address;
    let channel = builder(&balanced("round_robin"), &[address, other.address])
        .metrics(Metrics::register(&mut registry))
        .build()
        .unwrap();
    let mut under_way = Vec::new();
    for id in 1..=10 {
        let channel = channel.clone();
        under_way.push(tokio::spawn(async move { call(&channel, id).await }));
    }
    eventually("five calls are under way", || held.load(Ordering::Relaxed) == 5).await;
    let stopped = tokio::spawn(leaving.stop());
    let ejections = || shown(&registry, "grpc_client_endpoint_ejections_total", &[&at(address)]);
    while ejections() != Some(1.0) {
        call(&channel, 0).await.unwrap();
    }
    for (id, call_under_way) in (1..).zip(under_way) {
        release.send_replace(id);
        call_under_way.await.unwrap().unwrap();
        for _ in 0..2 {
            call(&channel, 0).await.unwrap();
        }
        assert_eq!(ejections(), Some(1.0), "answer {id}");
    }
    stopped.await.unwrap();
}
