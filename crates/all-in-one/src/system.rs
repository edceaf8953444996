//! Three services in one process: started from the callee up, stopped from the caller down.

use std::{
    fs::{File, TryLockError},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use service_kit::{
    CancellationToken,
    process::{Process, Sockets},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use crate::Options;

/// How long a service may take to become ready: a database is opened and migrated meanwhile.
const READY_MAX: Duration = Duration::from_secs(30);
const READY_POLL: Duration = Duration::from_millis(10);
/// From a service's port to that of its admin listener.
const GATEWAY_ADMIN_OFFSET: u16 = 1000;
const SERVICE_ADMIN_OFFSET: u16 = 6000;

/// A running system. Dropping it ends the services at once; [`stop`](Self::stop) lets them finish.
#[derive(Debug)]
pub struct System {
    gateway: Service,
    order: Service,
    payment: Service,
    _lock: File,
    _data: Option<TempDir>,
}

impl System {
    /// Starts all three on free ports, with databases that go with the system.
    ///
    /// # Errors
    ///
    /// Whatever keeps a service from becoming ready.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts all three and returns when they are ready.
    ///
    /// # Errors
    ///
    /// Whatever keeps a service from becoming ready; none is left running then.
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let temporary =
            options.data.is_none().then(TempDir::new).transpose().context("no temporary directory")?;
        let data = temporary
            .as_ref()
            .map(TempDir::path)
            .or(options.data.as_deref())
            .context("no directory for data")?;
        std::fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
        let lock = lock(data)?;
        let ports = options.ports;

        let vars = options.vars_of(ports.payment, SERVICE_ADMIN_OFFSET, &options.database(data, "payment"));
        let config = payment::Config::read(&vars)?;
        let payment =
            Service::start(config.process.clone(), |sockets, stop| payment::serve(config, sockets, stop))
                .await?;

        let mut own = options.database(data, "order").to_vec();
        own.push(("PAYMENT_SERVICE_URL", payment.address.to_string()));
        let config = order::Config::read(&options.vars_of(ports.order, SERVICE_ADMIN_OFFSET, &own))?;
        let order =
            Service::start(config.process.clone(), |sockets, stop| order::serve(config, sockets, stop))
                .await?;

        let own = [("ORDER_SERVICE_URL", order.address.to_string())];
        let config = gateway::Config::read(&options.vars_of(ports.gateway, GATEWAY_ADMIN_OFFSET, &own))?;
        let gateway =
            Service::start(config.process.clone(), |sockets, stop| gateway::serve(config, sockets, stop))
                .await?;

        Ok(Self { gateway, order, payment, _lock: lock, _data: temporary })
    }

    /// Where the public is served, `http://127.0.0.1:8080` for instance.
    pub fn gateway_url(&self) -> String {
        format!("http://{}", self.gateway.address)
    }

    /// The gateway's address.
    pub fn gateway_address(&self) -> SocketAddr {
        self.gateway.address
    }

    /// Order's address.
    pub fn order_address(&self) -> SocketAddr {
        self.order.address
    }

    /// Payment's address.
    pub fn payment_address(&self) -> SocketAddr {
        self.payment.address
    }

    /// The address of the gateway's admin listener.
    pub fn gateway_admin(&self) -> SocketAddr {
        self.gateway.admin
    }

    /// The address of Order's admin listener.
    pub fn order_admin(&self) -> SocketAddr {
        self.order.admin
    }

    /// The address of Payment's admin listener.
    pub fn payment_admin(&self) -> SocketAddr {
        self.payment.admin
    }

    /// Stops taking requests, lets what is in flight finish, and ends: the gateway first, Payment last.
    ///
    /// # Errors
    ///
    /// What a service ended with.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.gateway.stop().await?;
        self.order.stop().await?;
        self.payment.stop().await
    }

    /// Stops Payment alone: the others go on, and find it gone.
    ///
    /// # Errors
    ///
    /// What Payment ended with.
    pub async fn stop_payment(&mut self) -> anyhow::Result<()> {
        self.payment.end().await
    }

    /// Stops Order alone.
    ///
    /// # Errors
    ///
    /// What Order ended with.
    pub async fn stop_order(&mut self) -> anyhow::Result<()> {
        self.order.end().await
    }

    /// Returns when a service ends that nobody stopped, with why it did.
    pub async fn failed(&mut self) -> anyhow::Error {
        let (name, ended) = tokio::select! {
            ended = &mut self.gateway.task => ("the gateway", ended),
            ended = &mut self.order.task => ("Order", ended),
            ended = &mut self.payment.task => ("Payment", ended),
        };
        let why = match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) => anyhow::anyhow!("it stopped"),
            Err(panic) => panic.into(),
        };
        why.context(format!("{name} ended"))
    }
}

/// Takes the directory for one system: Order and Payment are written for one instance each on a SQLite file. The
/// system gives it back when the process ends, however it does.
fn lock(data: &Path) -> anyhow::Result<File> {
    let file = data.join("stack.lock");
    let lock = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another instance is running on {}", data.display()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", file.display()))
        }
    }
}

/// One running service.
#[derive(Debug)]
struct Service {
    address: SocketAddr,
    admin: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    async fn start<F, E>(
        process: Process,
        serve: impl FnOnce(Sockets, CancellationToken) -> F,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let sockets = Sockets::bind(&process).await?;
        let (address, admin) = (sockets.service.local_addr(), sockets.admin.local_addr()?);
        let stop = CancellationToken::new();
        let serving = serve(sockets, stop.clone());
        let task = tokio::spawn(async move { Ok(serving.await?) });
        let mut service = Self { address, admin, stop, task };
        tokio::select! {
            biased;
            ended = &mut service.task => ended?.and_then(|()| bail!("a service stopped while it started"))?,
            ready = until_ready(admin) => ready?,
        }
        Ok(service)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.end().await
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            // It ended before, and was heard then.
            return Ok(());
        }
        self.stop.cancel();
        (&mut self.task).await?
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Polls `/readyz` until it says so.
async fn until_ready(admin: SocketAddr) -> anyhow::Result<()> {
    let polled = async {
        while !is_ready(admin).await.unwrap_or(false) {
            tokio::time::sleep(READY_POLL).await;
        }
    };
    tokio::time::timeout(READY_MAX, polled)
        .await
        .with_context(|| format!("not ready after {READY_MAX:?}: {admin}"))
}

async fn is_ready(admin: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split(' ').nth(1) == Some("200"))
}
