//! A TCP proxy between two processes, which delays, cuts, refuses and holds back on command.

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

/// Between two attempts to listen again where a proxy refused: a connection may still hold the port.
const LISTEN_PAUSE: Duration = Duration::from_millis(5);

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the caller to the callee.
    Out,
    /// From the callee to the caller.
    Back,
}

/// How a proxy treats connections, until it is told otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Conduct {
    /// Nobody listens: who connects is refused by the system.
    pub(crate) refuses: bool,
    /// Bytes are taken and held back, as on a network that is partitioned.
    pub(crate) holds: bool,
    /// Every piece takes so much longer.
    pub(crate) delay: Duration,
    /// Every connection is reset when this number changes.
    resets: usize,
}

/// A proxy; gone, with its connections, when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    conduct: watch::Sender<Conduct>,
    wire: Arc<Wire>,
    serving: JoinHandle<()>,
}

/// What the connections of one proxy share.
#[derive(Debug, Default)]
struct Wire {
    /// So many bytes go through yet this way, then their connection is reset.
    cut: Mutex<Option<(Way, usize)>>,
    cuts: AtomicUsize,
}

impl Proxy {
    /// A proxy on a free port before `callee`.
    pub(crate) async fn before(callee: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (conduct, changes) = watch::channel(Conduct::default());
        let wire = Arc::new(Wire::default());
        let serving = tokio::spawn(serve(listener, callee, changes, wire.clone()));
        Ok(Self { address, conduct, wire, serving })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes its conduct.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Conduct)) {
        self.conduct.send_modify(change);
    }

    /// Resets the connection that next passes so many bytes this way in all.
    pub(crate) fn cut_after(&self, way: Way, bytes: usize) {
        *self.wire.cut.lock().expect("no panic while it is held") = Some((way, bytes));
    }

    /// Resets every connection.
    pub(crate) fn reset(&self) {
        self.set(|conduct| conduct.resets += 1);
        self.wire.cuts.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets everything through again.
    pub(crate) fn heal(&self) {
        *self.wire.cut.lock().expect("no panic while it is held") = None;
        self.set(|conduct| *conduct = Conduct { resets: conduct.resets, ..Conduct::default() });
    }

    /// How often connections were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.wire.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    listener: TcpListener,
    callee: SocketAddr,
    mut conduct: watch::Receiver<Conduct>,
    wire: Arc<Wire>,
) {
    let address = listener.local_addr().expect("a bound socket has an address");
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let refuses = conduct.borrow_and_update().refuses;
        listener = match listener {
            Some(_) if refuses => None,
            None if !refuses => Some(listen_again(address).await),
            as_it_was => as_it_was,
        };
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => if let Ok((caller, _)) = accepted {
                connections.spawn(join(caller, callee, conduct.clone(), wire.clone()));
            },
            changed = conduct.changed() => if changed.is_err() { return },
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(LISTEN_PAUSE).await,
        }
    }
}

/// Carries bytes both ways until one side ends, or the connection is cut: then both sides see a reset.
async fn join(
    mut caller: TcpStream,
    callee: SocketAddr,
    mut conduct: watch::Receiver<Conduct>,
    wire: Arc<Wire>,
) {
    let resets = conduct.borrow().resets;
    let Ok(mut callee) = TcpStream::connect(callee).await else {
        let _ = caller.set_zero_linger();
        return;
    };
    let _ = (caller.set_nodelay(true), callee.set_nodelay(true));
    let whole = {
        let ((caller_read, caller_write), (callee_read, callee_write)) = (caller.split(), callee.split());
        let out = pump(caller_read, callee_write, Way::Out, conduct.clone(), &wire);
        let back = pump(callee_read, caller_write, Way::Back, conduct.clone(), &wire);
        tokio::select! {
            ended = async { tokio::try_join!(out, back) } => ended.is_ok(),
            _ = conduct.wait_for(|conduct| conduct.resets != resets) => false,
        }
    };
    if !whole {
        let _ = (caller.set_zero_linger(), callee.set_zero_linger());
    }
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Way,
    mut conduct: watch::Receiver<Conduct>,
    wire: &Wire,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        let delay = conduct.wait_for(|conduct| !conduct.holds).await.map_or(Duration::ZERO, |now| now.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match wire.passes(way, read) {
            None => to.write_all(&buffer[..read]).await?,
            Some(left) => {
                to.write_all(&buffer[..left]).await?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }
}

impl Wire {
    /// Lets a piece through; where it is to be cut, only so many bytes of it.
    fn passes(&self, way: Way, bytes: usize) -> Option<usize> {
        let mut cut = self.cut.lock().expect("no panic while it is held");
        match &mut *cut {
            Some((cut_way, left)) if *cut_way == way && *left <= bytes => {
                let left = *left;
                *cut = None;
                self.cuts.fetch_add(1, Ordering::Relaxed);
                Some(left)
            }
            Some((cut_way, left)) if *cut_way == way => {
                *left -= bytes;
                None
            }
            _ => None,
        }
    }
}
