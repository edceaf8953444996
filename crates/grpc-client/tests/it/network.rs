//! The network between a channel and its servers: addresses that refuse, and a proxy that stops forwarding.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

use crate::backend::own_ip;

/// An address without a listener.
pub(crate) fn refused_address() -> SocketAddr {
    std::net::TcpListener::bind((own_ip(), 0)).unwrap().local_addr().unwrap()
}

/// A TCP proxy that can stop forwarding, like a frozen host: connections stay open and new ones are accepted.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    paused: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn before(backend: SocketAddr) -> Self {
        let listener = TcpListener::bind((own_ip(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (paused, is_paused) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, backend, is_paused.clone()));
            }
        });
        Self { address, paused }
    }

    pub(crate) fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Forwards again, starting with the bytes that were held back.
    pub(crate) fn resume(&self) {
        self.paused.send_replace(false);
    }
}

async fn forward(client: TcpStream, backend: SocketAddr, is_paused: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(backend).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::join!(
        copy(&mut from_client, &mut to_server, is_paused.clone()),
        copy(&mut from_server, &mut to_client, is_paused),
    );
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut is_paused: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if is_paused.wait_for(|paused| !paused).await.is_err()
            || to.write_all(&bytes[..length]).await.is_err()
        {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// A listener with a full backlog at `address`, for which the kernel drops new connections; and what keeps it
/// full.
pub(crate) async fn full_backlog(address: SocketAddr) -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut backlog = Vec::new();
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        backlog.push(connected.unwrap());
        assert!(backlog.len() < 100, "the backlog never fills");
    }
    (address, (listener, backlog))
}
