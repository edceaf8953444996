//! Certificates and their authority are replaced under load, and no call fails.

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
    tls::{CLIENT, NAME, TlsFiles},
};

const SERVERS: usize = 3;
const CLIENTS: usize = 16;
/// Renewals of all certificates. Each restarts every server, since an open connection keeps the certificates
/// of its handshake.
const ROUNDS: usize = 4;
/// Calls between two restarts.
const CALLS_BETWEEN: usize = 300;
/// The interval at which files are read again.
const RELOAD: Duration = Duration::from_secs(1);

async fn stop(serving: Serving) -> u16 {
    serving.shutdown.cancel();
    soon(serving.served).await.unwrap().unwrap();
    serving.address.port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_certificates_and_authority_are_replaced() {
    let mut files = TlsFiles::new();
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        servers.push(files.serve_at(0, Handler::echo()).await);
    }
    let listed: Vec<String> = servers.iter().map(|server| format!("https://{}", server.address)).collect();
    let channel = Channel::builder(listed.join(",").parse().unwrap())
        .service_config(r#"{"loadBalancingConfig": [{"round_robin": {}}]}"#.parse().unwrap())
        .tls(files.client(Some(CLIENT)))
        .build()
        .unwrap();
    let (calls, done) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut client, calls, done) = (OrderClient::new(channel.clone()), calls.clone(), done.clone());
        clients.spawn(async move {
            while !done.is_cancelled() {
                client.get(get(1)).await?;
                calls.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, tonic::Status>(())
        });
    }
    let mut newest = Vec::new();
    for round in 0..ROUNDS {
        if round == ROUNDS / 2 {
            files.change_authority();
            // Servers and clients trust the new authority before it issues their certificates.
            restart_all(&files, &mut servers, &calls).await;
        }
        newest = files.renew();
        restart_all(&files, &mut servers, &calls).await;
    }
    done.cancel();
    while let Some(result) = clients.join_next().await {
        result.unwrap().unwrap();
    }
    for server in &servers {
        assert_eq!(presented_certificate(&files, server).await, newest);
    }
}

/// Restarts each server, with calls in between.
async fn restart_all(files: &TlsFiles, servers: &mut Vec<Serving>, calls: &AtomicUsize) {
    // Replaced files are in use after a second, as documented for operators.
    tokio::time::sleep(RELOAD).await;
    for _ in 0..SERVERS {
        let goal = calls.load(Ordering::Relaxed) + CALLS_BETWEEN;
        eventually("more calls", async || calls.load(Ordering::Relaxed) >= goal).await;
        let port = stop(servers.remove(0)).await;
        servers.push(files.serve_at(port, Handler::echo()).await);
    }
}

/// The certificate that `server` presents on a new connection, as DER.
async fn presented_certificate(files: &TlsFiles, server: &Serving) -> Vec<u8> {
    let io = TcpStream::connect(server.address).await.unwrap();
    let stream = files.client(Some(CLIENT)).connect(NAME, io).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}
