//! A house of processes: so many instances of Payment, Order and gateway over one pair of databases, with a proxy
//! between each pair where a test wants one.
//!
//! The n-th gateway calls the n-th Order, and that the n-th Payment; the databases are shared. Whatever still
//! runs is killed when the house is dropped, and unless it was left in peace, the logs are shown.

use std::{net::SocketAddr, time::Duration};

use tempfile::TempDir;
use test_support::{Failed, check};
use tokio::time::Instant;

use crate::{
    books::{Books, On, Whose},
    customer::Customers,
    proxy::Proxy,
};

mod service;

pub(crate) use service::Service;

/// How long orders may take to settle once nothing fails any more.
pub(crate) const SETTLED_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(25);

/// How a house is built.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) on: On,
    /// How many there are of each service.
    pub(crate) instances: usize,
    /// Whether a proxy stands between each pair.
    pub(crate) proxied: bool,
    /// `REQUEST_TIMEOUT_MS`: Order's answer comes half a second before it.
    pub(crate) request_timeout: Duration,
    balanced: bool,
    /// Whether Order asks Payment again, as it does where nothing else is said.
    retried: bool,
    /// `FAULT_INJECTION` of every Order, and of every Payment.
    pub(crate) order_fails: String,
    pub(crate) payment_fails: String,
}

impl Plan {
    pub(crate) fn on(on: On) -> Self {
        let request_timeout = Duration::from_millis(2000);
        let (order_fails, payment_fails) = Default::default();
        Self {
            on,
            instances: 1,
            proxied: false,
            balanced: false,
            retried: true,
            request_timeout,
            order_fails,
            payment_fails,
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

    /// Everyone calls every instance of the next service, rather than one of its own.
    pub(crate) fn balanced(self) -> Self {
        Self { balanced: true, ..self }
    }

    /// Order asks Payment once, so that the failure of a step is what its customer is told of.
    pub(crate) fn without_retries(self) -> Self {
        Self { retried: false, ..self }
    }

    /// What the instance `index` is told of where the next service is.
    fn callees_of(&self, index: usize, doors: &[SocketAddr]) -> String {
        let known = if self.balanced { doors } else { &doors[index..=index] };
        known.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn order_fails(self, points: impl Into<String>) -> Self {
        Self { order_fails: points.into(), ..self }
    }

    pub(crate) fn payment_fails(self, points: impl Into<String>) -> Self {
        Self { payment_fails: points.into(), ..self }
    }
}

/// Between whom a proxy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    CustomerAndGateway,
    GatewayAndOrder,
    OrderAndPayment,
    OrderAndDatabase,
    PaymentAndDatabase,
}

/// The house.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) gateways: Vec<Service>,
    pub(crate) orders: Vec<Service>,
    pub(crate) payments: Vec<Service>,
    pub(crate) proxies: Vec<(Between, Proxy)>,
    pub(crate) books: Books,
    pub(crate) customers: Customers,
    in_peace: bool,
    _directory: TempDir,
}

impl House {
    /// Builds it and lights every lamp.
    pub(crate) async fn build(plan: Plan) -> Result<Self, Failed> {
        let directory = TempDir::new()?;
        let books = Books::new(plan.on, directory.path()).await?;
        let mut house = Self {
            gateways: Vec::new(),
            orders: Vec::new(),
            payments: Vec::new(),
            proxies: Vec::new(),
            books,
            customers: Customers::of([]),
            in_peace: false,
            _directory: directory,
        };
        let payments = house.build_payments(&plan).await?;
        let orders = house.build_orders(&plan, &payments).await?;
        let fronts = house.build_gateways(&plan, &orders).await?;
        house.customers = Customers::of(fronts.iter().map(|front| format!("http://{front}")));
        Ok(house)
    }

    /// Every Payment; returns where Order finds each.
    async fn build_payments(&mut self, plan: &Plan) -> Result<Vec<SocketAddr>, Failed> {
        let mut doors = Vec::new();
        for index in 0..plan.instances {
            let port = self.database_port(plan, Between::PaymentAndDatabase).await?;
            let mut vars = self.books.vars(Whose::Payment, port).to_vec();
            vars.push(("PAYMENT_CREDIT_LIMIT", CREDIT_LIMIT.to_string()));
            let mut payment = Service::new("payment", index, self._directory.path(), vars);
            payment.start(&fails(&plan.payment_fails)).await?;
            doors.push(self.through(plan, Between::OrderAndPayment, payment.address).await?);
            self.payments.push(payment);
        }
        Ok(doors)
    }

    /// Every Order, which calls `payments`; returns where a gateway finds each.
    async fn build_orders(
        &mut self,
        plan: &Plan,
        payments: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>, Failed> {
        let mut doors = Vec::new();
        for index in 0..plan.instances {
            let port = self.database_port(plan, Between::OrderAndDatabase).await?;
            let mut vars = self.books.vars(Whose::Order, port).to_vec();
            vars.push(("PAYMENT_SERVICE_URL", plan.callees_of(index, payments)));
            if !plan.retried {
                vars.push(("PAYMENT_SERVICE_CONFIG", "{}".to_owned()));
            }
            let mut order = Service::new("order", index, self._directory.path(), vars);
            order.start(&fails(&plan.order_fails)).await?;
            doors.push(self.through(plan, Between::GatewayAndOrder, order.address).await?);
            self.orders.push(order);
        }
        Ok(doors)
    }

    /// Every gateway, which calls `orders`; returns where customers go.
    async fn build_gateways(
        &mut self,
        plan: &Plan,
        orders: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>, Failed> {
        let mut doors = Vec::new();
        for index in 0..plan.instances {
            let timeout = plan.request_timeout.as_millis().to_string();
            let callees = plan.callees_of(index, orders);
            let vars = vec![("ORDER_SERVICE_URL", callees), ("REQUEST_TIMEOUT_MS", timeout)];
            let mut gateway = Service::new("gateway", index, self._directory.path(), vars);
            gateway.start(&[]).await?;
            doors.push(self.through(plan, Between::CustomerAndGateway, gateway.address).await?);
            self.gateways.push(gateway);
        }
        Ok(doors)
    }

    /// Where to call to reach `callee`: a proxy, where there are any.
    async fn through(
        &mut self,
        plan: &Plan,
        between: Between,
        callee: SocketAddr,
    ) -> Result<SocketAddr, Failed> {
        if !plan.proxied {
            return Ok(callee);
        }
        let proxy = Proxy::before(callee).await?;
        let address = proxy.address();
        self.proxies.push((between, proxy));
        Ok(address)
    }

    async fn database_port(&mut self, plan: &Plan, between: Between) -> Result<Option<u16>, Failed> {
        let Some(port) = self.books.port() else { return Ok(None) };
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Some(self.through(plan, between, server).await?.port()))
    }

    /// Every proxy between such a pair.
    pub(crate) fn between(&self, between: Between) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().filter(move |(pair, _)| *pair == between).map(|(_, proxy)| proxy)
    }

    /// The services, from the callee up.
    pub(crate) fn services(&mut self) -> impl Iterator<Item = &mut Service> {
        self.payments.iter_mut().chain(&mut self.orders).chain(&mut self.gateways)
    }

    /// Starts whatever is down, so that it does not fail on purpose.
    pub(crate) async fn revive(&mut self) -> Result<(), Failed> {
        for service in self.services() {
            if !service.runs() {
                service.start(&[]).await?;
            }
        }
        Ok(())
    }

    /// Waits until no order is PENDING; returns how long that took.
    pub(crate) async fn settle(&self) -> Result<Duration, Failed> {
        let started = Instant::now();
        loop {
            let pending = self.books.pending().await?;
            if pending == 0 {
                return Ok(started.elapsed());
            }
            check(started.elapsed() < SETTLED_MAX, || format!("{pending} orders are PENDING still"))?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends a house in which everything was as it should be.
    pub(crate) fn leave(mut self) {
        self.in_peace = true;
    }
}

impl Drop for House {
    #[allow(clippy::print_stderr, reason = "whoever looks at a failure wants to see the logs")]
    fn drop(&mut self) {
        if !self.in_peace {
            for service in self.services() {
                eprintln!("== {}\n{}", service.name, service.last_lines());
            }
        }
    }
}

/// In major units; what costs more is declined.
pub(crate) const CREDIT_LIMIT: i64 = 1_000_000;

/// The variable that makes a service fail like this.
pub(crate) fn fails(points: &str) -> Vec<(&'static str, String)> {
    if points.is_empty() { Vec::new() } else { vec![("FAULT_INJECTION", points.to_owned())] }
}
