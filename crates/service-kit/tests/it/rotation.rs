//! Certificates replaced, and the authority too, under load: no call is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use grpc_client::Channel;
use proto::order::order_client::OrderClient;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    serving::{Handler, Serving, eventually, get, soon},
    tls::{CLIENT, NAME, Place},
};

const SERVERS: usize = 3;
const CALLERS: usize = 16;
/// Each server is restarted so often; a connection stays with the certificates that it was made with.
const ROUNDS: usize = 4;
/// Calls between two restarts.
const CALLS_BETWEEN: usize = 300;
/// How long files are taken for unchanged.
const RELOAD: Duration = Duration::from_secs(1);

async fn stop(serving: Serving) -> u16 {
    serving.shutdown.cancel();
    soon(serving.served).await.unwrap().unwrap();
    serving.address.port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_certificates_and_authority_are_replaced() {
    let mut place = Place::new();
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        servers.push(place.serve_at(0, Handler::echo()).await);
    }
    let listed: Vec<String> = servers.iter().map(|server| format!("https://{}", server.address)).collect();
    let channel = Channel::builder(listed.join(",").parse().unwrap())
        .service_config(r#"{"loadBalancingConfig": [{"round_robin": {}}]}"#.parse().unwrap())
        .tls(place.client(Some(CLIENT)))
        .build()
        .unwrap();
    let (calls, over) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (mut client, calls, over) = (OrderClient::new(channel.clone()), calls.clone(), over.clone());
        callers.spawn(async move {
            while !over.is_cancelled() {
                client.get(get(1)).await?;
                calls.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, tonic::Status>(())
        });
    }
    let mut newest = Vec::new();
    for round in 0..ROUNDS {
        if round == ROUNDS / 2 {
            place.change_authority();
            // Both sides trust the new one before anyone shows what it has issued.
            restart_all(&place, &mut servers, &calls).await;
        }
        newest = place.renew();
        restart_all(&place, &mut servers, &calls).await;
    }
    over.cancel();
    while let Some(ended) = callers.join_next().await {
        ended.unwrap().unwrap();
    }
    for server in &servers {
        assert_eq!(shown(&place, server).await, newest);
    }
}

/// Restarts each, with calls in between.
async fn restart_all(place: &Place, servers: &mut Vec<Serving>, calls: &AtomicUsize) {
    // As the README tells an operator: a second after files were replaced they are in use.
    tokio::time::sleep(RELOAD).await;
    for _ in 0..SERVERS {
        let goal = calls.load(Ordering::Relaxed) + CALLS_BETWEEN;
        eventually("more calls", async || calls.load(Ordering::Relaxed) >= goal).await;
        let port = stop(servers.remove(0)).await;
        servers.push(place.serve_at(port, Handler::echo()).await);
    }
}

/// The certificate that a server shows to a connection made now, as DER.
async fn shown(place: &Place, server: &Serving) -> Vec<u8> {
    let io = TcpStream::connect(server.address).await.unwrap();
    let stream = place.client(Some(CLIENT)).connect(NAME, io).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}
