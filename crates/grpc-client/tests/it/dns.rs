//! A `dns:` target, whose addresses come and go.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grpc_client::{CONNECT_TIMEOUT, Channel, Failure, RESOLVE_INTERVAL, Resolve, ResolveFuture};
use tokio::sync::watch;

use crate::{
    backend::{Backend, Handler},
    client::{balanced, call, eventually, failure},
};

/// What a name server says.
#[derive(Debug, Clone, Default)]
pub(crate) enum Answer {
    Addresses(Vec<SocketAddr>),
    #[default]
    Failure,
    Silence,
}

/// A name server of the test's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    answer: Arc<Mutex<Answer>>,
    asked: watch::Sender<u64>,
}

impl Names {
    pub(crate) fn saying(answer: Answer) -> Self {
        Self { answer: Arc::new(Mutex::new(answer)), ..Self::default() }
    }

    pub(crate) fn say(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Lets time pass until the name was asked for twice more, so that one answer was surely taken.
    pub(crate) async fn are_asked_again(&self) {
        let mut asked = self.asked.subscribe();
        tokio::time::pause();
        for _ in 0..2 {
            asked.changed().await.unwrap();
        }
        tokio::time::resume();
    }

    /// Waits until the name is asked for, by the clock on the wall: the answer is taken by then.
    pub(crate) async fn are_asked(&self) {
        self.asked.subscribe().changed().await.unwrap();
    }

    fn channel(&self, policy: &str) -> Channel {
        let target = "dns:///orders.test:3000".parse().unwrap();
        let config = balanced(policy).parse().unwrap();
        Channel::builder(target).service_config(config).resolver(self.clone()).build().unwrap()
    }
}

impl Resolve for Names {
    fn resolve(&self, host: &str, port: u16) -> ResolveFuture {
        assert_eq!((host, port), ("orders.test", 3000));
        self.asked.send_modify(|asked| *asked += 1);
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async move {
            match answer {
                Answer::Addresses(addresses) => Ok(addresses),
                Answer::Failure => Err(io::Error::other("the name server is ill")),
                Answer::Silence => std::future::pending().await,
            }
        })
    }
}

fn two() -> ([Backend; 2], [Arc<AtomicUsize>; 2]) {
    Backend::start_each(|_, entered| Handler::echo_after(Duration::from_millis(2), entered))
}

#[tokio::test]
async fn addresses_that_change_are_taken_up_and_no_call_is_dropped() {
    let ([old, new], [by_old, by_new]) = two();
    let names = Names::saying(Answer::Addresses(vec![old.address]));
    let (channel, done) = (names.channel("round_robin"), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let (channel, done) = (channel.clone(), done.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    call(&channel, 1).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();
    let count = |entered: &AtomicUsize| entered.load(Ordering::Relaxed);
    eventually("calls to the old address", || count(&by_old) > 200).await;
    let changed = Instant::now();
    // Both for a while, as in a rollout, and then the new one alone.
    names.say(Answer::Addresses(vec![old.address, new.address]));
    eventually("calls to the new address", || count(&by_new) > 200).await;
    assert!(changed.elapsed() < RESOLVE_INTERVAL + Duration::from_secs(2));
    names.say(Answer::Addresses(vec![new.address]));
    let mut last = (count(&by_old), Instant::now());
    eventually("no more calls to the old address", || {
        if count(&by_old) != last.0 {
            last = (count(&by_old), Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(500)
    })
    .await;
    // Nothing is in flight there, so that a graceful end of it ends at once, and is seen by nobody.
    tokio::time::timeout(Duration::from_secs(2), old.stop()).await.unwrap();
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn no_answer_of_any_kind_takes_away_what_was_known() {
    let ([backend, _other], _) = two();
    let names = Names::saying(Answer::Addresses(vec![backend.address]));
    let channel = names.channel("round_robin");
    call(&channel, 1).await.unwrap();
    for answer in [Answer::Addresses(Vec::new()), Answer::Failure, Answer::Silence] {
        names.say(answer);
        names.are_asked_again().await;
        call(&channel, 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_is_unknown_at_first_is_used_as_soon_as_it_is_known() {
    let ([backend, _other], _) = two();
    let names = Names::default();
    let channel = names.channel("pick_first");
    assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    names.say(Answer::Addresses(vec![backend.address]));
    let begun = Instant::now();
    call(&channel, 1).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_name_without_an_address_is_an_error_and_no_hang() {
    let says = async |answer: Answer| {
        let channel = Names::saying(answer.clone()).channel("least_loaded");
        for _ in 0..2 {
            let begun = Instant::now();
            let status = call(&channel, 1).await.unwrap_err();
            let ended = (Failure::of(&status), status.code());
            assert_eq!(ended, (Failure::NeverRan, tonic::Code::Unavailable), "{answer:?}");
            let took = begun.elapsed();
            assert!(took < CONNECT_TIMEOUT + Duration::from_secs(1), "{answer:?}: {took:?}");
        }
    };
    tokio::join!(says(Answer::Failure), says(Answer::Addresses(Vec::new())), says(Answer::Silence));
}

/// A resolver that never answers must not keep the next question from being asked.
#[tokio::test]
async fn a_name_server_that_fell_silent_is_asked_again() {
    let ([backend, _other], _) = two();
    let names = Names::saying(Answer::Silence);
    let channel = names.channel("pick_first");
    assert_eq!(failure(call(&channel, 1).await), Failure::NeverRan);
    names.say(Answer::Addresses(vec![backend.address]));
    names.are_asked_again().await;
    call(&channel, 1).await.unwrap();
}

#[tokio::test]
async fn an_address_that_fails_has_the_name_asked_for_again_soon() {
    let ([old, new], _) = two();
    let names = Names::saying(Answer::Addresses(vec![old.address]));
    let channel = names.channel("pick_first");
    call(&channel, 1).await.unwrap();
    // It would not be asked for before its usual time.
    names.are_asked_again().await;
    old.kill().await;
    names.say(Answer::Addresses(vec![new.address]));
    let begun = Instant::now();
    while call(&channel, 1).await.is_err() {
        assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
