//! Each service as its own process, configured by documented variables; and the whole system as one
//! process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{Client, EXAMPLE, free_address, process::Process};

mod network_isolation;
mod signals;
mod startup_errors;
mod stderr;
mod tls;
mod traces;

/// Time limit for an idle service to shut down.
const STOP_MAX: Duration = Duration::from_secs(10);

pub(crate) type Environment = Vec<(&'static str, String)>;

/// The variables that every service needs, with free ports. The gateway requires no token, and clients state
/// the prices.
pub(crate) fn common_vars(mode: &str) -> Environment {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    vec![
        ("APPLICATION_PORT", any.port().to_string()),
        ("ENV", mode.to_owned()),
        ("BIND_ADDRESS", any.ip().to_string()),
        ("ADMIN_ADDRESS", any.to_string()),
        ("AUTH", "none".to_owned()),
        ("PRICE_LIST", "none".to_owned()),
    ]
}

pub(crate) fn with_vars(mut environment: Environment, further: &[(&'static str, String)]) -> Environment {
    environment.extend_from_slice(further);
    environment
}

pub(crate) fn database_vars(data: &Path, service: &str) -> [(&'static str, String); 2] {
    let url = format!("sqlite://{}/{service}.db", data.display());
    [("DB_DRIVER", "sqlite".to_owned()), ("DATA_SOURCE_URL", url)]
}

/// The three services in production mode.
pub(crate) struct Services {
    pub(crate) gateway: Process,
    pub(crate) order: Process,
    pub(crate) payment: Process,
    pub(crate) client: Client,
}

impl Services {
    async fn start(data: &Path) -> Self {
        Self::start_with(data, &[], &[]).await
    }

    /// Adds variables for all services, and for Order alone.
    pub(crate) async fn start_with(
        data: &Path,
        all: &[(&'static str, String)],
        of_order: &[(&'static str, String)],
    ) -> Self {
        let common = with_vars(common_vars("production"), all);
        let mut payment =
            Process::start(&["payment"], &with_vars(common.clone(), &database_vars(data, "payment")));
        let payment_address = payment.address().await;
        let environment = with_vars(with_vars(common.clone(), &database_vars(data, "order")), of_order);
        let environment = with_vars(environment, &[("PAYMENT_SERVICE_URL", payment_address.to_string())]);
        let mut order = Process::start(&["order"], &environment);
        let order_address = order.address().await;
        let environment = with_vars(common, &[("ORDER_SERVICE_URL", order_address.to_string())]);
        let mut gateway = Process::start(&["gateway"], &environment);
        let client = Client::new(format!("http://{}", gateway.address().await));
        Self { gateway, order, payment, client }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_passes_through_three_processes() {
    let data = tempfile::tempdir().unwrap();
    let services = Services::start(data.path()).await;
    let id = "6f1c2a3e-8d4b-4c55-9a57-0d0f4f1a2b3c";
    let placed = services.client.post_with(&[("x-request-id", id)], EXAMPLE).await;
    assert_eq!((placed.status.as_u16(), &placed.json()["status"]), (201, &json!("PAID")));
    let read = services.client.get(placed.header("location")).await;
    assert_eq!(read.text(), placed.text());

    // Each service exits by itself and logs JSON lines only.
    let Services { gateway, order, payment, .. } = services;
    for (name, process) in [("gateway", gateway), ("order", order), ("payment", payment)] {
        let exit = process.terminate(STOP_MAX).await;
        assert_eq!(exit.code, Some(0), "{name}: {:#?}", exit.stderr);
        assert!(exit.stdout.is_empty(), "{name}: {:#?}", exit.stdout);
        let lines: Vec<Value> =
            exit.stderr.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert!(lines.iter().all(|line| line["level"] != "ERROR"), "{name}: {:#?}", exit.stderr);
        if name == "gateway" {
            let ours: Vec<&String> = exit.stderr.iter().filter(|line| line.contains(id)).collect();
            assert!(
                ours.len() == 1 && ours[0].contains("\"trace_id\":") && ours[0].contains("\"span_id\":"),
                "{ours:#?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_payment_restarts_and_the_order_is_charged() {
    let data = tempfile::tempdir().unwrap();
    let payment_address = free_address();
    let mut environment = with_vars(common_vars("production"), &database_vars(data.path(), "payment"));
    environment.push(("APPLICATION_PORT", payment_address.port().to_string()));
    let mut payment = Process::start(&["payment"], &environment);
    payment.address().await;
    let order = with_vars(common_vars("production"), &database_vars(data.path(), "order"));
    let order = with_vars(order, &[("PAYMENT_SERVICE_URL", payment_address.to_string())]);
    let mut order = Process::start(&["order"], &order);
    let gateway =
        with_vars(common_vars("production"), &[("ORDER_SERVICE_URL", order.address().await.to_string())]);
    let mut gateway = Process::start(&["gateway"], &gateway);
    let client = Client::new(format!("http://{}", gateway.address().await));

    let placed = client.post(EXAMPLE).await;
    assert_eq!(placed.status, 201);
    payment.kill().await;
    let rejected = client.post_with(&[("idempotency-key", "k")], EXAMPLE).await;
    assert_eq!((rejected.status.as_u16(), &rejected.problem()["reason"]), (503, &json!("NOT_CHARGED")));

    let mut payment = Process::start(&["payment"], &environment);
    assert_eq!(payment.address().await, payment_address);
    let charged = client.post_with(&[("idempotency-key", "k")], EXAMPLE).await;
    assert_eq!((charged.status.as_u16(), charged.order_id()), (201, rejected.order_id()));
    let listed = client.get("/orders?user_id=123").await.json();
    assert_eq!(listed["orders"], json!([charged.json(), placed.json()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn start_up_message_has_a_working_curl() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().join("below/two/more");
    let data = data.to_str().unwrap();
    let start = || {
        let arguments = ["--data", data, "--gateway-port", "0", "--order-port", "0", "--payment-port", "0"];
        Process::start(&arguments, &[])
    };
    let mut system = start();
    let url = system.url().await;
    let out = system.stdout_until("-d '").await.join("\n");
    assert!(out.contains(&format!("{url}/docs")), "{out}");
    let (_, curl) = out.split_once("curl -i ").expect("a curl");
    assert!(curl.starts_with(&format!("{url}/orders -H 'Content-Type: application/json'")), "{curl}");
    let body = curl.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).expect("a body");
    let placed = Client::new(&url).post(body).await;
    assert_eq!((placed.status.as_u16(), &placed.json()["status"]), (201, &json!("PAID")));
    let exit = system.terminate(STOP_MAX).await;
    assert_eq!(exit.code, Some(0), "{:#?}", exit.stderr);

    let mut again = start();
    let client = Client::new(again.url().await);
    assert_eq!(client.get(placed.header("location")).await.text(), placed.text());
    again.signal("INT").await;
    assert_eq!(again.wait().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_in_one_listens_on_loopback_only() {
    let data = tempfile::tempdir().unwrap();
    let addresses = [free_address(), free_address(), free_address()];
    let [gateway, order, payment] = addresses.map(|address| address.port().to_string());
    let data = data.path().to_str().unwrap();
    let arguments =
        ["--data", data, "--gateway-port", &gateway, "--order-port", &order, "--payment-port", &payment];
    let mut system = Process::start(&arguments, &[]);
    assert_eq!(system.url().await, format!("http://{}", addresses[0]));
    for address in addresses {
        assert!(TcpStream::connect(address).await.is_ok(), "{address}");
        // A socket bound to every address would accept this too: 127.0.0.0/8 is this machine.
        let other = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), address.port());
        assert!(TcpStream::connect(other).await.is_err(), "{other}");
    }
}
