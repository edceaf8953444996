//! The two commands of docs/operate/databases.md that start the services on a database server, with other
//! ports.

use std::{path::Path, process::Stdio, time::Duration};

use proto::{
    order::{CreateOrderRequest, OrderItem, order_client::OrderClient},
    payment::{CreatePaymentRequest, payment_client::PaymentClient},
};
use system_tests::{db_driver, free_address};
use test_support::{
    Failed, Trial, check,
    server::{Kind, Server},
    trial,
};
use tokio::process::{Child, Command};
use tonic::transport::Channel;

const START_MAX: Duration = Duration::from_secs(30);

pub(crate) fn trials(kind: Kind) -> Vec<Trial> {
    let name = format!("{}::documented_commands_serve_an_order", kind.name());
    vec![trial(&name, &[kind.need()], move || serve(kind))]
}

async fn serve(kind: Kind) -> Result<(), Failed> {
    let server = Server::start(kind).await?;
    for name in ["payment", "order"] {
        server.create_database(name).await?;
    }
    let (payment_port, order_port) = (free_address()?.port(), free_address()?.port());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operate/databases.md");
    let document = std::fs::read_to_string(path)?;
    let mut running = Vec::new();
    for service in ["payment", "order"] {
        let command = command(&document, kind, service)?
            .replace("3001", &payment_port.to_string())
            .replace("3000", &order_port.to_string())
            .replace("3306", &server.port().to_string())
            .replace("5432", &server.port().to_string())
            .replace(&format!("cargo run -p {service}"), &format!("exec \"$0\" {service}"));
        running.push(start(&command)?);
    }
    let charge = CreatePaymentRequest { user_id: 123, order_id: 12, total_price: 32.0, total: None };
    let mut payment = PaymentClient::new(channel(payment_port).await?);
    let (first, second) = (payment.create(charge.clone()).await?, payment.create(charge).await?);
    check(first.into_inner() == second.into_inner(), || "two responses to one charge".to_owned())?;
    let item =
        OrderItem { product_code: "sku1".to_owned(), unit_price: 0.12, quantity: 1, ..OrderItem::default() };
    let request = CreateOrderRequest { user_id: 123, order_items: vec![item], ..Default::default() };
    let created = OrderClient::new(channel(order_port).await?).create(request).await?.into_inner();
    let rows = server.execute("order", "SELECT order_id, status FROM orders").await?;
    check(rows.trim() == format!("{}\tPAID", created.order_id), || rows.clone())
}

/// The documented command for this service on this kind of server.
fn command(document: &str, kind: Kind, service: &str) -> Result<String, Failed> {
    let start = format!("DB_DRIVER={} ", db_driver(kind));
    let end = format!("cargo run -p {service}");
    let line = document.lines().map(str::trim).find(|line| line.starts_with(&start) && line.ends_with(&end));
    line.map(str::to_owned).ok_or_else(|| format!("docs/operate/databases.md has no {start}… {end}").into())
}

fn start(command: &str) -> Result<Child, Failed> {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command, env!("CARGO_BIN_EXE_system-under-test")])
        .env_clear()
        .env("ADMIN_ADDRESS", "127.0.0.1:0");
    Ok(shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()?)
}

/// A channel to a service that is starting.
async fn channel(port: u16) -> Result<Channel, Failed> {
    let connected = async {
        loop {
            match Channel::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect().await {
                Ok(channel) => return channel,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let connected = tokio::time::timeout(START_MAX, connected).await;
    Ok(connected.map_err(|_| format!("no service listens on port {port}"))?)
}
