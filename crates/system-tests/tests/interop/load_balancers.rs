//! Three Payments behind one address: nginx and HAProxy with the configuration of `deploy/load-balancing`.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use proto::order::{CreateOrderRequest, OrderItem, OrderStatus, order_client::OrderClient};
use system_tests::{
    free_address,
    service_process::{ServiceProcess, Vars},
};
use test_support::{
    Failed, Need, Trial, check,
    server::{Kind, Server},
    trial,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, sleep},
};
use tonic::transport::{Channel, Endpoint};

use crate::paths::workspace;

const PAYMENTS: usize = 3;
const CLIENTS: usize = 12;
/// Orders with all Payments, and as many during and after the kill of one.
const ORDERS: i64 = 600;
const START_MAX: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) fn trials() -> Vec<Trial> {
    [LoadBalancer::Nginx, LoadBalancer::Haproxy]
        .into_iter()
        .map(|balancer| {
            let name = format!("{}_balances_three_payments", balancer.name());
            trial(&name, &[balancer.need(), Need::MariaDb], move || balance(balancer))
        })
        .collect()
}

async fn balance(balancer: LoadBalancer) -> Result<(), Failed> {
    let server = Server::shared(Kind::MariaDb).await?;
    let payment_database = mysql(server.url(&server.new_database().await?));
    let data = tempfile::tempdir()?;
    let mut payments = Vec::new();
    for index in 0..PAYMENTS {
        let vars = payment_database.clone();
        let mut payment = ServiceProcess::new(crate::PROGRAM, "payment", index, data.path(), vars);
        payment.start(&[]).await?;
        payments.push(payment);
    }
    let (_balancer, address) = balancer.start(data.path(), &payments).await?;
    let mut vars = mysql(server.url(&server.new_database().await?));
    vars.push(("PAYMENT_SERVICE_URL", address.to_string()));
    let mut order = ServiceProcess::new(crate::PROGRAM, "order", 0, data.path(), vars);
    order.start(&[]).await?;
    let channel = Endpoint::from_shared(format!("http://{}", order.address))?.connect().await?;

    let placed = Arc::new(AtomicI64::new(0));
    Placing::start(&channel, &placed, ORDERS).finish().await?;
    let mut shares = Vec::new();
    for payment in &payments {
        shares.push(charges(payment).await?);
    }
    let fair = ORDERS / 3;
    check(shares.iter().sum::<i64>() >= ORDERS && shares.iter().all(|share| *share > fair / 2), || {
        format!("{} distributed {shares:?}", balancer.name())
    })?;

    let rest = Placing::start(&channel, &placed, 2 * ORDERS);
    while placed.load(Ordering::Relaxed) < ORDERS + ORDERS / 4 {
        sleep(POLL_INTERVAL).await;
    }
    // Kills a Payment in the middle of its calls.
    drop(payments.pop());
    rest.finish().await
}

fn mysql(url: String) -> Vars {
    vec![("DB_DRIVER", "mysql".to_owned()), ("DATA_SOURCE_URL", url)]
}

/// Clients that place orders.
struct Placing(JoinSet<Result<(), Failed>>);

impl Placing {
    /// Starts clients that place orders until `placed` reaches `total`.
    fn start(channel: &Channel, placed: &Arc<AtomicI64>, total: i64) -> Self {
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (mut client, placed) = (OrderClient::new(channel.clone()), placed.clone());
            clients.spawn(async move {
                loop {
                    let number = placed.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return Ok(());
                    }
                    let item = OrderItem {
                        product_code: "sku1".to_owned(),
                        unit_price: 0.12,
                        quantity: 1,
                        ..OrderItem::default()
                    };
                    let request = CreateOrderRequest {
                        user_id: number % 100 + 1,
                        order_items: vec![item],
                        ..CreateOrderRequest::default()
                    };
                    let order = client.create(request).await?.into_inner();
                    check(order.status() == OrderStatus::Paid, || format!("{order:?}"))?;
                }
            });
        }
        Self(clients)
    }

    async fn finish(mut self) -> Result<(), Failed> {
        while let Some(result) = self.0.join_next().await {
            result??;
        }
        Ok(())
    }
}

/// The calls that a Payment has responded to.
async fn charges(payment: &ServiceProcess) -> Result<i64, Failed> {
    let mut stream = TcpStream::connect(payment.admin).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await?;
    let counts = page.lines().filter(|line| {
        line.starts_with("grpc_server_call_duration_seconds_count{") && line.contains("Create")
    });
    counts.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<i64>()?)).sum()
}

#[derive(Debug, Clone, Copy)]
enum LoadBalancer {
    Nginx,
    Haproxy,
}

impl LoadBalancer {
    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    fn need(self) -> Need {
        match self {
            Self::Nginx => Need::Nginx,
            Self::Haproxy => Need::Haproxy,
        }
    }

    /// Runs with the documented configuration, with other addresses and directories.
    async fn start(self, data: &Path, payments: &[ServiceProcess]) -> Result<(Child, SocketAddr), Failed> {
        let address = free_address()?;
        let file = match self {
            Self::Nginx => "nginx.conf",
            Self::Haproxy => "haproxy.cfg",
        };
        let documented = std::fs::read_to_string(workspace().join("deploy/load-balancing").join(file))?;
        let mut text = documented
            .replace("listen 3001", &format!("listen {address}"))
            .replace("bind :3001", &format!("bind {address}"))
            .replace("http {\n", &format!("http {{\n{}", temporary_paths(data)));
        for (number, payment) in (1..).zip(payments) {
            text = text
                .replace(
                    &format!("payment-{number}:3001 port 9001"),
                    &format!("{} port {}", payment.address, payment.admin.port()),
                )
                .replace(&format!("payment-{number}:3001"), &payment.address.to_string());
        }
        let path = data.join(file);
        std::fs::write(&path, text)?;
        let mut command = match self {
            Self::Nginx => {
                let mut command = Command::new(test_support::program(&["nginx"])?);
                let directives = format!("daemon off; master_process off; pid {}/pid;", data.display());
                command.args(["-e", "stderr", "-g", &directives, "-p"]).arg(data).arg("-c");
                command
            }
            Self::Haproxy => {
                let mut command = Command::new(test_support::program(&["haproxy"])?);
                command.args(["-db", "-f"]);
                command
            }
        };
        let child =
            command.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        let started = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            check(started.elapsed() < START_MAX, || format!("{} does not listen", self.name()))?;
            sleep(POLL_INTERVAL).await;
        }
        Ok((child, address))
    }
}

/// Directories of nginx in `data`: only root may write to the default ones.
fn temporary_paths(data: &Path) -> String {
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    paths.map(|name| format!("{name}_temp_path {}/{name};\n", data.display())).concat()
}
