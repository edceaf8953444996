//! The three services, each a process, on one core.

use std::{
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{cpu, figures::Failure, port::free};

const READY_MAX: Duration = Duration::from_secs(30);

/// The processes; killed when dropped.
pub(crate) struct Services {
    processes: Vec<Child>,
    pub(crate) gateway: SocketAddr,
    data: TempDir,
}

impl Services {
    /// Starts them on `core` over empty SQLite files, and waits until all listen. `vars` are variables of the
    /// gateway.
    pub(crate) async fn start(core: &str, vars: &[(&str, &str)]) -> Result<Self, Failure> {
        let data = TempDir::new()?;
        let [gateway, order, payment] = [free()?, free()?, free()?];
        let mut services = Self { processes: Vec::new(), gateway, data };
        let database = |name: &str| {
            let file = services.data.path().join(name);
            [("DB_DRIVER", "sqlite".to_owned()), ("DATA_SOURCE_URL", format!("sqlite://{}", file.display()))]
        };
        let [of_order, of_payment] = [database("order.db"), database("payment.db")];
        let limit = [("PAYMENT_CREDIT_LIMIT", "1000000000".to_owned())];
        services.spawn(core, "payment", payment, of_payment.into_iter().chain(limit)).await?;
        let payment = [("PAYMENT_SERVICE_URL", payment.to_string())];
        services.spawn(core, "order", order, of_order.into_iter().chain(payment)).await?;
        let own = vars.iter().map(|(name, value)| (*name, (*value).to_owned()));
        services
            .spawn(core, "gateway", gateway, own.chain([("ORDER_SERVICE_URL", order.to_string())]))
            .await?;
        Ok(services)
    }

    async fn spawn<'a>(
        &mut self,
        core: &str,
        service: &str,
        address: SocketAddr,
        vars: impl Iterator<Item = (&'a str, String)>,
    ) -> Result<(), Failure> {
        let child = Command::new("taskset")
            .args(["-c", core, env!("CARGO_BIN_EXE_system-under-test"), service])
            .env("APPLICATION_PORT", address.port().to_string())
            .env("ADMIN_ADDRESS", "127.0.0.1:0")
            .env("ENV", "development")
            .env("RUST_LOG", "error")
            .envs(vars)
            .spawn()?;
        self.processes.push(child);
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if started.elapsed() > READY_MAX {
                return Err(format!("{service} does not listen").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// User and system time of all processes, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        self.processes.iter().map(|process| cpu::seconds(process.id())).sum()
    }

    /// The peak of the gateway's resident memory, in MiB.
    pub(crate) fn gateway_peak(&self) -> Result<f64, Failure> {
        let gateway = self.processes.last().ok_or("no gateway")?;
        cpu::memory(gateway.id(), "VmHWM")
    }

    /// The path of Order's database.
    pub(crate) fn order_database(&self) -> PathBuf {
        self.data.path().join("order.db")
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // No graceful shutdown: their data is discarded.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
