//! Three Payments behind one address: nginx and HAProxy as `deploy/load-balancing` configures them.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use proto::order::{CreateOrderRequest, OrderItem, OrderStatus, order_client::OrderClient};
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

use crate::{service::Service, tree::workspace};

const PAYMENTS: usize = 3;
const CALLERS: usize = 12;
/// Orders with all of Payment there, and as many during and after the end of one of them.
const ORDERS: i64 = 600;
const START_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

pub(crate) fn trials() -> Vec<Trial> {
    [Proxy::Nginx, Proxy::Haproxy]
        .into_iter()
        .map(|proxy| {
            let name = format!("three_payments_behind_{}_are_one", proxy.name());
            trial(&name, &[proxy.need(), Need::MariaDb], move || behind(proxy))
        })
        .collect()
}

async fn behind(proxy: Proxy) -> Result<(), Failed> {
    let server = Server::shared(Kind::MariaDb).await?;
    let ledger = server.url(&server.new_database().await?);
    let mut payments = Vec::new();
    for _ in 0..PAYMENTS {
        payments.push(Payment::start(&ledger).await?);
    }
    let data = tempfile::tempdir()?;
    let (_proxy, address) = proxy.start(data.path(), &payments).await?;
    let environment = [
        ("DB_DRIVER", "mysql".to_owned()),
        ("DATA_SOURCE_URL", server.url(&server.new_database().await?)),
        ("PAYMENT_SERVICE_URL", address.to_string()),
    ];
    let order = Service::start("order", &[&common(free_address()?)[..], &environment].concat()).await?;
    let channel = Endpoint::from_shared(format!("http://{}", order.address))?.connect().await?;

    let placed = Arc::new(AtomicI64::new(0));
    place(&channel, &placed, ORDERS).ended().await?;
    let mut shares = Vec::new();
    for payment in &payments {
        shares.push(payment.charges().await?);
    }
    let fair = ORDERS / 3;
    check(shares.iter().sum::<i64>() >= ORDERS && shares.iter().all(|share| *share > fair / 2), || {
        format!("{} shared out {shares:?}", proxy.name())
    })?;

    let rest = place(&channel, &placed, 2 * ORDERS);
    while placed.load(Ordering::Relaxed) < ORDERS + ORDERS / 4 {
        sleep(POLL).await;
    }
    // Killed, with whatever it was working on.
    drop(payments.pop());
    rest.ended().await?;
    Ok(())
}

struct Placing(JoinSet<Result<(), Failed>>);

/// Lets callers place orders until there are so many in all.
fn place(channel: &Channel, placed: &Arc<AtomicI64>, so_many: i64) -> Placing {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (mut client, placed) = (OrderClient::new(channel.clone()), placed.clone());
        callers.spawn(async move {
            loop {
                let number = placed.fetch_add(1, Ordering::Relaxed);
                if number >= so_many {
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
                let answer = client.create(request).await?.into_inner();
                check(answer.status() == OrderStatus::Paid, || format!("{answer:?}"))?;
            }
        });
    }
    Placing(callers)
}

impl Placing {
    async fn ended(mut self) -> Result<(), Failed> {
        while let Some(ended) = self.0.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// One of several over the same database.
struct Payment {
    service: Service,
    admin: SocketAddr,
}

impl Payment {
    async fn start(ledger: &str) -> Result<Self, Failed> {
        let admin = free_address()?;
        let environment = [("DB_DRIVER", "mysql".to_owned()), ("DATA_SOURCE_URL", ledger.to_owned())];
        let service = Service::start("payment", &[&common(admin)[..], &environment].concat()).await?;
        Ok(Self { service, admin })
    }

    /// Calls that it has answered.
    async fn charges(&self) -> Result<i64, Failed> {
        let mut stream = TcpStream::connect(self.admin).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await?;
        let counted = page.lines().filter(|line| {
            line.starts_with("grpc_server_call_duration_seconds_count{") && line.contains("Create")
        });
        counted.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<i64>()?)).sum()
    }
}

/// What both services are given.
fn common(admin: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("APPLICATION_PORT", "0".to_owned()),
        ("BIND_ADDRESS", "127.0.0.1".to_owned()),
        ("ADMIN_ADDRESS", admin.to_string()),
        ("ENV", "production".to_owned()),
    ]
}

fn free_address() -> Result<SocketAddr, Failed> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

#[derive(Debug, Clone, Copy)]
enum Proxy {
    Nginx,
    Haproxy,
}

impl Proxy {
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

    /// Runs with the configuration that is documented, but for its addresses and directories.
    async fn start(self, data: &Path, payments: &[Payment]) -> Result<(Child, SocketAddr), Failed> {
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
                    &format!("{} port {}", payment.service.address, payment.admin.port()),
                )
                .replace(&format!("payment-{number}:3001"), &payment.service.address.to_string());
        }
        let path = data.join(file);
        std::fs::write(&path, text)?;
        let mut command = match self {
            Self::Nginx => {
                let mut command = Command::new(test_support::program(&["nginx"])?);
                let alone = format!("daemon off; master_process off; pid {}/pid;", data.display());
                command.args(["-e", "stderr", "-g", &alone, "-p"]).arg(data).arg("-c");
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
            sleep(POLL).await;
        }
        Ok((child, address))
    }
}

/// nginx's, which may write to its own directories only as root.
fn temporary_paths(data: &Path) -> String {
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    paths.map(|name| format!("{name}_temp_path {}/{name};\n", data.display())).concat()
}
