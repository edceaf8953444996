//! A dropped channel leaves no connections and no tasks.

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
    http2_peer::{Frame::TrailersOnly, GRPC, Http2Peer},
};

#[tokio::test]
async fn connections_close_with_the_last_clone() {
    let (mut addresses, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let listener = TcpListener::bind((own_ip(), 0)).await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        servers.push(tokio::spawn(async move {
            let mut peer = Http2Peer::accept(&listener, None).await;
            let stream = peer.request().await;
            peer.send(stream, TrailersOnly(vec![GRPC, ("grpc-status", "5")])).await;
            peer.closed_by_client().await;
        }));
    }
    let channel = channel_by(&balanced("round_robin"), &addresses);
    let clone = channel.clone();
    for _ in 0..2 {
        call(&channel, 1).await.unwrap_err();
    }
    drop(channel);
    assert!(servers.iter().all(|server| !server.is_finished()), "closed before the last clone");
    drop(clone);
    for server in servers {
        tokio::time::timeout(BOUND, server).await.unwrap().unwrap();
    }
}

/// Counts resolutions. Its count is shared with every pending one.
#[derive(Debug, Clone)]
struct CountingResolver {
    address: SocketAddr,
    resolutions: Arc<AtomicUsize>,
}

impl Resolve for CountingResolver {
    fn resolve(&self, _: &str, _: u16) -> ResolveFuture {
        self.resolutions.fetch_add(1, Ordering::Relaxed);
        let resolver = self.clone();
        // The second address refuses connections.
        Box::pin(async move { Ok(vec![resolver.address, SocketAddr::new(resolver.address.ip(), 9)]) })
    }
}

#[tokio::test]
async fn tasks_end_and_resolve_no_more() {
    let backend = Backend::start(Handler::echo());
    let resolver = CountingResolver { address: backend.address, resolutions: Arc::default() };
    let resolutions = resolver.resolutions.clone();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let target = "dns:///orders.test:3000".parse().unwrap();
    let channel = Channel::builder(target).resolver(resolver).build().unwrap();
    call(&channel, 1).await.unwrap();
    assert!(tasks() > before && Arc::strong_count(&resolutions) > 1);
    drop(channel);
    let ended = async {
        while tasks() > before || Arc::strong_count(&resolutions) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(RESOLVE_INTERVAL / 2, ended).await.unwrap();
    assert_eq!(resolutions.load(Ordering::Relaxed), 1);
}
