//! Starts the three services in one process in the order Payment, Order, gateway; stops them in reverse.

use std::{
    fs::{File, TryLockError},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use service_kit::{
    CancellationToken, TaskTracker,
    process::{Process, Sockets},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use crate::Options;

/// Time limit for one service to become ready, including the migration of its database.
const READY_MAX: Duration = Duration::from_secs(30);
const READY_POLL: Duration = Duration::from_millis(10);
/// Offset of the admin port from the service port.
const GATEWAY_ADMIN_OFFSET: u16 = 1000;
const SERVICE_ADMIN_OFFSET: u16 = 6000;

/// A running system. [`stop`](Self::stop) shuts it down gracefully; dropping it aborts the services.
#[derive(Debug)]
pub struct System {
    gateway: Service,
    order: Service,
    payment: Service,
    /// The last exports of traces, of all services.
    last_exports: TaskTracker,
    _lock: File,
    _data: Option<TempDir>,
}

impl System {
    /// Starts the services on free ports, with databases in a temporary directory.
    ///
    /// # Errors
    ///
    /// A service did not become ready.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts the services and returns once all of them are ready.
    ///
    /// # Errors
    ///
    /// A service did not become ready. The services started before it are aborted.
    pub async fn start_with(options: Options) -> anyhow::Result<Self> {
        let temporary = options
            .data
            .is_none()
            .then(TempDir::new)
            .transpose()
            .context("cannot create a temporary data directory")?;
        let data =
            temporary.as_ref().map(TempDir::path).or(options.data.as_deref()).context("no data directory")?;
        std::fs::create_dir_all(data)
            .with_context(|| format!("cannot create the data directory {}", data.display()))?;
        let lock = lock(data)?;
        let (ports, last_exports) = (options.ports, TaskTracker::new());

        let vars = options.database_vars(data, "payment");
        let mut config = payment::Config::read(&options.vars_of(ports.payment, SERVICE_ADMIN_OFFSET, &vars))?;
        config.traces.export_last_in(&last_exports);
        let payment = Service::start("--payment-port", config.process.clone(), |sockets, stop| {
            payment::serve(config, sockets, stop)
        })
        .await?;

        let mut vars = options.database_vars(data, "order").to_vec();
        vars.push(("PAYMENT_SERVICE_URL", payment.address.to_string()));
        let mut config = order::Config::read(&options.vars_of(ports.order, SERVICE_ADMIN_OFFSET, &vars))?;
        config.traces.export_last_in(&last_exports);
        let order = Service::start("--order-port", config.process.clone(), |sockets, stop| {
            order::serve(config, sockets, stop)
        })
        .await?;

        let vars = [("ORDER_SERVICE_URL", order.address.to_string())];
        let mut config = gateway::Config::read(&options.vars_of(ports.gateway, GATEWAY_ADMIN_OFFSET, &vars))?;
        config.traces.export_last_in(&last_exports);
        let gateway = Service::start("--gateway-port", config.process.clone(), |sockets, stop| {
            gateway::serve(config, sockets, stop)
        })
        .await?;

        Ok(Self { gateway, order, payment, last_exports, _lock: lock, _data: temporary })
    }

    /// The public base URL, for example `http://127.0.0.1:8080`.
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

    /// Shuts the services down gracefully: the gateway first, Payment last.
    ///
    /// # Errors
    ///
    /// The error of the first service that failed during its shutdown.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.gateway.stop().await?;
        self.order.stop().await?;
        self.payment.stop().await?;
        self.last_exports.close();
        self.last_exports.wait().await;
        Ok(())
    }

    /// Shuts Payment down; the gateway and Order keep running.
    ///
    /// # Errors
    ///
    /// Payment failed during its shutdown.
    pub async fn stop_payment(&mut self) -> anyhow::Result<()> {
        self.payment.stop().await
    }

    /// Shuts Order down; the gateway and Payment keep running.
    ///
    /// # Errors
    ///
    /// Order failed during its shutdown.
    pub async fn stop_order(&mut self) -> anyhow::Result<()> {
        self.order.stop().await
    }

    /// Waits until a service ends unexpectedly, and returns the reason.
    pub async fn failed(&mut self) -> anyhow::Error {
        let (name, result) = tokio::select! {
            result = &mut self.gateway.task => ("the gateway", result),
            result = &mut self.order.task => ("Order", result),
            result = &mut self.payment.task => ("Payment", result),
        };
        let reason = match result {
            Ok(Err(error)) => error,
            Ok(Ok(())) => anyhow::anyhow!("it returned without an error"),
            Err(panic) => panic.into(),
        };
        reason.context(format!("{name} ended unexpectedly"))
    }
}

/// Locks the data directory: a SQLite file supports one instance of Order or Payment.
///
/// The operating system releases the lock when the process ends.
fn lock(data: &Path) -> anyhow::Result<File> {
    let file = data.join("order-system.lock");
    let lock = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another instance uses the data directory {}", data.display()),
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
    /// Starts a service and returns once it is ready. `port_flag`, the flag for its port, is named in errors.
    async fn start<F, E>(
        port_flag: &'static str,
        process: Process,
        serve: impl FnOnce(Sockets, CancellationToken) -> F,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let sockets = Sockets::bind_as(&process, port_flag, port_flag).await?;
        let (address, admin) = (sockets.service.local_addr(), sockets.admin.local_addr()?);
        let stop = CancellationToken::new();
        let serving = serve(sockets, stop.clone());
        let task = tokio::spawn(async move { Ok(serving.await?) });
        let mut service = Self { address, admin, stop, task };
        tokio::select! {
            biased;
            result = &mut service.task => result?.and_then(|()| bail!("a service ended during start-up"))?,
            ready = wait_until_ready(admin) => ready?,
        }
        Ok(service)
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            // An earlier call stopped the service and returned its result.
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

/// Polls `/readyz` until it returns 200, for at most [`READY_MAX`].
async fn wait_until_ready(admin: SocketAddr) -> anyhow::Result<()> {
    let polled = async {
        while !is_ready(admin).await.unwrap_or(false) {
            tokio::time::sleep(READY_POLL).await;
        }
    };
    tokio::time::timeout(READY_MAX, polled)
        .await
        .with_context(|| format!("the service with admin address {admin} is not ready after {READY_MAX:?}"))
}

async fn is_ready(admin: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response.split(' ').nth(1) == Some("200"))
}
