//! What is left of a channel that was dropped: nothing.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use grpc_client::{Channel, RESOLVE_INTERVAL, Resolve, ResolveFuture};
use tokio::net::TcpListener;

use crate::{
    backend::{Backend, Handler, own_ip},
    client::{BOUND, balanced, call, channel_by},
    http2_peer::{GRPC, Wire},
};

#[tokio::test]
async fn its_connections_are_closed() {
    let mut listeners = Vec::new();
    for _ in 0..2 {
        listeners.push(TcpListener::bind((own_ip(), 0)).await.unwrap());
    }
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let served: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            tokio::spawn(async move {
                let mut wire = Wire::accept(&listener, None).await;
                let stream = wire.request().await;
                wire.head_only(stream, &[GRPC[0], ("grpc-status", "5")]).await;
                wire.closed_by_client().await;
            })
        })
        .collect();
    let channel = channel_by(&balanced("round_robin"), &addresses);
    let clone = channel.clone();
    for _ in 0..2 {
        call(&channel, 1).await.unwrap_err();
    }
    drop(channel);
    assert!(served.iter().all(|served| !served.is_finished()), "a clone was left");
    drop(clone);
    for served in served {
        tokio::time::timeout(BOUND, served).await.unwrap().unwrap();
    }
}

/// Alive for as long as any task asks it.
#[derive(Debug, Clone)]
struct Counting {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Resolve for Counting {
    fn resolve(&self, _: &str, _: u16) -> ResolveFuture {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let held = self.clone();
        // The second address is one that refuses.
        Box::pin(async move { Ok(vec![held.address, SocketAddr::new(held.address.ip(), 9)]) })
    }
}

#[tokio::test]
async fn its_tasks_end_and_ask_nothing_more() {
    let backend = Backend::start(Handler::echo());
    let resolver = Counting { address: backend.address, asked: Arc::default() };
    let asked = resolver.asked.clone();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let target = "dns:///orders.test:3000".parse().unwrap();
    let channel = Channel::builder(target).resolver(resolver).build().unwrap();
    call(&channel, 1).await.unwrap();
    assert!(tasks() > before && Arc::strong_count(&asked) > 1);
    drop(channel);
    let ended = async {
        while tasks() > before || Arc::strong_count(&asked) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(RESOLVE_INTERVAL / 2, ended).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
