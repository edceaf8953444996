//! What lies between a channel and its backends, and can swallow what is sent.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

use crate::backend::own_ip;

/// A TCP proxy that can fall silent, as a frozen host does: connections stay open and new ones are taken, and nothing goes
/// through them.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    silent: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn before(backend: SocketAddr) -> Self {
        let listener = TcpListener::bind((own_ip(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, hears) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, backend, hears.clone()));
            }
        });
        Self { address, silent }
    }

    pub(crate) fn fall_silent(&self) {
        self.silent.send_replace(true);
    }

    /// What was held back goes through now.
    pub(crate) fn speak(&self) {
        self.silent.send_replace(false);
    }
}

async fn pass_on(client: TcpStream, backend: SocketAddr, silent: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(backend).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::join!(
        copy(&mut from_client, &mut to_server, silent.clone()),
        copy(&mut from_server, &mut to_client, silent),
    );
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut silent: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if silent.wait_for(|silent| !silent).await.is_err() || to.write_all(&bytes[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// An address whose listener takes no more connections, and what keeps it so: the kernel drops what comes to a full backlog.
pub(crate) async fn full_backlog(address: SocketAddr) -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    let wait = std::time::Duration::from_millis(100);
    while let Ok(connected) = tokio::time::timeout(wait, TcpStream::connect(address)).await {
        filling.push(connected.unwrap());
        assert!(filling.len() < 100, "the backlog never fills");
    }
    (address, (listener, filling))
}
