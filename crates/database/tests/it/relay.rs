//! A TCP relay between a client and a server: its new connections follow a switchover, and its open ones can
//! fall silent, as those of a host that has vanished.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// A relay on a port of 127.0.0.1. Dropping it closes the port and keeps its connections.
pub(crate) struct Relay {
    port: u16,
    target: Arc<AtomicU16>,
    silent: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, silent) = (Arc::new(AtomicU16::new(target)), Arc::new(AtomicBool::new(false)));
        let (to, is_silent) = (target.clone(), silent.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = SocketAddr::from(([127, 0, 0, 1], to.load(Ordering::SeqCst)));
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(forward(from_client, to_server, is_silent.clone()));
                tokio::spawn(forward(from_server, to_client, is_silent.clone()));
            }
        });
        Self { port, target, silent, accepting }
    }

    /// `url`, of a server on port `from`, by this relay.
    pub(crate) fn url(&self, url: &str, from: u16) -> String {
        url.replace(&format!(":{from}"), &format!(":{}", self.port))
    }

    /// Leads new connections to the server on port `target`.
    pub(crate) fn redirect(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
    }

    /// From now on forwards nothing, neither bytes nor the end of a connection.
    pub(crate) fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_silent: Arc<AtomicBool>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer).await;
        while is_silent.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        match read {
            Ok(length) if length > 0 && to.write_all(&buffer[..length]).await.is_ok() => {}
            _ => return,
        }
    }
}
