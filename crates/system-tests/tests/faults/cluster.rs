//! A cluster of service processes over one pair of databases, with a TCP proxy on each link where a test
//! wants one.
//!
//! The n-th gateway calls the n-th Order, and that calls the n-th Payment. All instances share the databases.
//! Dropping the cluster kills every process, and prints the logs unless [`Cluster::finish`] was called.

use std::{net::SocketAddr, time::Duration};

use system_tests::{
    client::Client,
    service_process::{ServiceProcess, Vars},
};
use tempfile::TempDir;
use test_support::{Failed, check};
use tokio::time::Instant;

use crate::{
    db_snapshot::{DatabaseKind, Databases, ServiceName},
    proxy::Proxy,
};

/// How long orders may take to settle after the last fault.
pub(crate) const SETTLED_MAX: Duration = Duration::from_secs(30);
/// In US dollars. A more expensive order is declined.
pub(crate) const CREDIT_LIMIT_MAJOR: i64 = 1_000_000;
const POLL_INTERVAL: Duration = Duration::from_millis(25);

#[derive(Debug, Clone)]
pub(crate) struct ClusterConfig {
    database: DatabaseKind,
    /// Instances of each service.
    instances: usize,
    /// Whether every link goes through a proxy.
    proxied: bool,
    /// `REQUEST_TIMEOUT_MS`. Order responds half a second earlier.
    request_timeout: Duration,
    /// Whether every instance calls all instances of the next service.
    balanced: bool,
    /// Whether Order retries calls of Payment, as it does by default.
    retries: bool,
    /// `FAULT_INJECTION` of every Order, and of every Payment.
    order_faults: String,
    payment_faults: String,
}

impl ClusterConfig {
    pub(crate) fn new(database: DatabaseKind) -> Self {
        Self {
            database,
            instances: 1,
            proxied: false,
            request_timeout: Duration::from_millis(2000),
            balanced: false,
            retries: true,
            order_faults: String::new(),
            payment_faults: String::new(),
        }
    }

    pub(crate) fn instances(self, instances: usize) -> Self {
        Self { instances, ..self }
    }

    pub(crate) fn proxied(self) -> Self {
        Self { proxied: true, ..self }
    }

    pub(crate) fn request_timeout(self, request_timeout: Duration) -> Self {
        Self { request_timeout, ..self }
    }

    /// Every instance calls all instances of the next service instead of one.
    pub(crate) fn balanced(self) -> Self {
        Self { balanced: true, ..self }
    }

    /// Order calls Payment once, so that the first failure decides the response.
    pub(crate) fn without_retries(self) -> Self {
        Self { retries: false, ..self }
    }

    pub(crate) fn order_faults(self, rules: impl Into<String>) -> Self {
        Self { order_faults: rules.into(), ..self }
    }

    pub(crate) fn payment_faults(self, rules: impl Into<String>) -> Self {
        Self { payment_faults: rules.into(), ..self }
    }

    /// The upstream addresses of the instance `index`, as a comma list.
    fn upstreams_of(&self, index: usize, addresses: &[SocketAddr]) -> String {
        let upstreams = if self.balanced { addresses } else { &addresses[index..=index] };
        upstreams.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }
}

/// The link that a proxy is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    ClientToGateway,
    GatewayToOrder,
    OrderToPayment,
    OrderToDatabase,
    PaymentToDatabase,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) gateways: Vec<ServiceProcess>,
    pub(crate) orders: Vec<ServiceProcess>,
    pub(crate) payments: Vec<ServiceProcess>,
    pub(crate) proxies: Vec<(Link, Proxy)>,
    pub(crate) databases: Databases,
    pub(crate) client: Client,
    finished: bool,
    directory: TempDir,
}

impl Cluster {
    /// Starts all services, and returns when they are ready.
    pub(crate) async fn start(config: ClusterConfig) -> Result<Self, Failed> {
        let directory = TempDir::new()?;
        let databases = Databases::create(config.database, directory.path()).await?;
        let mut cluster = Self {
            gateways: Vec::new(),
            orders: Vec::new(),
            payments: Vec::new(),
            proxies: Vec::new(),
            databases,
            client: Client::new([]),
            finished: false,
            directory,
        };
        let payments = cluster.start_payments(&config).await?;
        let orders = cluster.start_orders(&config, &payments).await?;
        let gateways = cluster.start_gateways(&config, &orders).await?;
        cluster.client = Client::new(gateways.iter().map(|gateway| format!("http://{gateway}")));
        Ok(cluster)
    }

    /// Returns the addresses at which Order reaches the Payments.
    async fn start_payments(&mut self, config: &ClusterConfig) -> Result<Vec<SocketAddr>, Failed> {
        let mut addresses = Vec::new();
        for index in 0..config.instances {
            let port = self.database_port(config, Link::PaymentToDatabase).await?;
            let mut vars = self.databases.vars(ServiceName::Payment, port).to_vec();
            vars.push(("PAYMENT_CREDIT_LIMITS", format!("USD:{CREDIT_LIMIT_MAJOR}")));
            let mut payment = self.service("payment", index, vars);
            payment.start(&fault_vars(&config.payment_faults)).await?;
            addresses.push(self.proxied(config, Link::OrderToPayment, payment.address).await?);
            self.payments.push(payment);
        }
        Ok(addresses)
    }

    /// Returns the addresses at which gateways reach the Orders.
    async fn start_orders(
        &mut self,
        config: &ClusterConfig,
        payments: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>, Failed> {
        let mut addresses = Vec::new();
        for index in 0..config.instances {
            let port = self.database_port(config, Link::OrderToDatabase).await?;
            let mut vars = self.databases.vars(ServiceName::Order, port).to_vec();
            vars.push(("PAYMENT_SERVICE_URL", config.upstreams_of(index, payments)));
            if !config.retries {
                vars.push(("PAYMENT_SERVICE_CONFIG", "{}".to_owned()));
            }
            let mut order = self.service("order", index, vars);
            order.start(&fault_vars(&config.order_faults)).await?;
            addresses.push(self.proxied(config, Link::GatewayToOrder, order.address).await?);
            self.orders.push(order);
        }
        Ok(addresses)
    }

    /// Returns the addresses at which clients reach the gateways.
    async fn start_gateways(
        &mut self,
        config: &ClusterConfig,
        orders: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>, Failed> {
        let mut addresses = Vec::new();
        for index in 0..config.instances {
            let timeout = config.request_timeout.as_millis().to_string();
            let upstreams = config.upstreams_of(index, orders);
            let vars = vec![("ORDER_SERVICE_URL", upstreams), ("REQUEST_TIMEOUT_MS", timeout)];
            let mut gateway = self.service("gateway", index, vars);
            gateway.start(&[]).await?;
            addresses.push(self.proxied(config, Link::ClientToGateway, gateway.address).await?);
            self.gateways.push(gateway);
        }
        Ok(addresses)
    }

    fn service(&self, service: &'static str, index: usize, vars: Vars) -> ServiceProcess {
        let program = env!("CARGO_BIN_EXE_system-under-test");
        ServiceProcess::new(program, service, index, self.directory.path(), vars)
    }

    /// The address to call instead of `server`: that of a new proxy where the cluster is proxied.
    async fn proxied(
        &mut self,
        config: &ClusterConfig,
        link: Link,
        server: SocketAddr,
    ) -> Result<SocketAddr, Failed> {
        if !config.proxied {
            return Ok(server);
        }
        let proxy = Proxy::start(server).await?;
        let address = proxy.address();
        self.proxies.push((link, proxy));
        Ok(address)
    }

    async fn database_port(&mut self, config: &ClusterConfig, link: Link) -> Result<Option<u16>, Failed> {
        let Some(port) = self.databases.port() else { return Ok(None) };
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Some(self.proxied(config, link, server).await?.port()))
    }

    pub(crate) fn proxies_on(&self, link: Link) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().filter(move |(on, _)| *on == link).map(|(_, proxy)| proxy)
    }

    /// All services, upstreams first.
    pub(crate) fn services(&mut self) -> impl Iterator<Item = &mut ServiceProcess> {
        self.payments.iter_mut().chain(&mut self.orders).chain(&mut self.gateways)
    }

    /// Starts every service that is down, without fault injection.
    pub(crate) async fn restart_stopped(&mut self) -> Result<(), Failed> {
        for service in self.services() {
            if !service.is_running() {
                service.start(&[]).await?;
            }
        }
        Ok(())
    }

    /// Waits until no order is PENDING.
    pub(crate) async fn wait_until_settled(&self) -> Result<(), Failed> {
        let started = Instant::now();
        loop {
            let pending = self.databases.pending().await?;
            if pending == 0 {
                return Ok(());
            }
            check(started.elapsed() < SETTLED_MAX, || format!("{pending} orders are still PENDING"))?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Ends a cluster whose test passed: its logs are not printed.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Cluster {
    #[allow(clippy::print_stderr, reason = "the logs explain a failure")]
    fn drop(&mut self) {
        if !self.finished {
            for service in self.services() {
                eprintln!("== {}\n{}", service.name, service.last_lines());
            }
        }
    }
}

/// `FAULT_INJECTION` with these rules; none where there are no rules.
pub(crate) fn fault_vars(rules: &str) -> Vars {
    if rules.is_empty() { Vec::new() } else { vec![("FAULT_INJECTION", rules.to_owned())] }
}
