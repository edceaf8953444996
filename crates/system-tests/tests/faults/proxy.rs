//! A TCP proxy between two processes, which delays, cuts, refuses and withholds on command.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// The delay between two attempts to listen again: a connection may still hold the port.
const LISTEN_RETRY_DELAY: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// How the proxy treats connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProxyMode {
    /// The port is closed: the kernel refuses connections.
    pub(crate) refuses: bool,
    /// Bytes are read and withheld, as in a network partition.
    pub(crate) withholds: bool,
    /// The delay of every chunk.
    pub(crate) delay: Duration,
    /// Every connection is reset when this number changes.
    resets: usize,
}

/// A proxy; dropping it closes its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<ProxyMode>,
    cuts: Arc<Cuts>,
    serving: JoinHandle<()>,
}

/// The state that all connections of a proxy share.
#[derive(Debug, Default)]
struct Cuts {
    /// After so many more bytes in this direction, the connection that carries them is reset.
    next: Mutex<Option<(Direction, usize)>>,
    count: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy of `server` on a free port.
    pub(crate) async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (mode, changes) = watch::channel(ProxyMode::default());
        let cuts = Arc::new(Cuts::default());
        let serving = tokio::spawn(serve(listener, server, changes, cuts.clone()));
        Ok(Self { address, mode, cuts, serving })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut ProxyMode)) {
        self.mode.send_modify(change);
    }

    /// Resets the connection that carries the last of the next `bytes` bytes in this direction.
    pub(crate) fn cut_after(&self, direction: Direction, bytes: usize) {
        *self.cuts.next.lock().expect("no panic while it is held") = Some((direction, bytes));
    }

    /// Resets every connection.
    pub(crate) fn reset(&self) {
        self.set(|mode| mode.resets += 1);
        self.cuts.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Forwards everything again.
    pub(crate) fn heal(&self) {
        *self.cuts.next.lock().expect("no panic while it is held") = None;
        self.set(|mode| *mode = ProxyMode { resets: mode.resets, ..ProxyMode::default() });
    }

    /// How often this proxy cut connections.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.count.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    mut mode: watch::Receiver<ProxyMode>,
    cuts: Arc<Cuts>,
) {
    let address = listener.local_addr().expect("a bound socket has an address");
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let refuses = mode.borrow_and_update().refuses;
        listener = match listener {
            Some(_) if refuses => None,
            None if !refuses => Some(listen_again(address).await),
            unchanged => unchanged,
        };
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => if let Ok((client, _)) = accepted {
                connections.spawn(forward(client, server, mode.clone(), cuts.clone()));
            },
            changed = mode.changed() => if changed.is_err() { return },
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(LISTEN_RETRY_DELAY).await,
        }
    }
}

/// Forwards bytes in both directions until one side closes, or the connection is cut: then both sides get a
/// reset.
async fn forward(
    mut client: TcpStream,
    server: SocketAddr,
    mut mode: watch::Receiver<ProxyMode>,
    cuts: Arc<Cuts>,
) {
    let resets = mode.borrow().resets;
    let Ok(mut server) = TcpStream::connect(server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let complete = {
        let ((client_read, client_write), (server_read, server_write)) = (client.split(), server.split());
        let requests = copy(client_read, server_write, Direction::ToServer, mode.clone(), &cuts);
        let responses = copy(server_read, client_write, Direction::ToClient, mode.clone(), &cuts);
        tokio::select! {
            ended = async { tokio::try_join!(requests, responses) } => ended.is_ok(),
            _ = mode.wait_for(|mode| mode.resets != resets) => false,
        }
    };
    if !complete {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

async fn copy(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    mut mode: watch::Receiver<ProxyMode>,
    cuts: &Cuts,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        let delay = mode.wait_for(|mode| !mode.withholds).await.map_or(Duration::ZERO, |mode| mode.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match cuts.cut_within(direction, read) {
            None => to.write_all(&buffer[..read]).await?,
            Some(left) => {
                to.write_all(&buffer[..left]).await?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }
}

impl Cuts {
    /// Counts `bytes` bytes of this direction. Where the cut is among them, returns how many bytes precede
    /// it.
    fn cut_within(&self, direction: Direction, bytes: usize) -> Option<usize> {
        let mut next = self.next.lock().expect("no panic while it is held");
        match &mut *next {
            Some((cut, left)) if *cut == direction && *left <= bytes => {
                let left = *left;
                *next = None;
                self.count.fetch_add(1, Ordering::Relaxed);
                Some(left)
            }
            Some((cut, left)) if *cut == direction => {
                *left -= bytes;
                None
            }
            _ => None,
        }
    }
}
