//! TLS between services, and production without it.

use std::{net::SocketAddr, path::Path};

use grpc_client::tls::{ClientTls, Files, Identity};
use http::Method;
use hyper_util::rt::TokioIo;
use proto::{
    order::{GetOrderRequest, order_client::OrderClient},
    payment::{GetPaymentRequest, payment_client::PaymentClient},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::net::TcpStream;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint, Uri},
};

use super::{EXAMPLE, Environment, STOP_MAX, common_vars, database_vars, free_address, with_vars};
use crate::support::{Client, eventually, process::Process};

/// `EX_USAGE` of sysexits.
const EXIT_CONFIGURATION: i32 = 64;

/// The environment of a service in production on all interfaces, whose upstream is down.
fn off_loopback(service: &str, data: &Path) -> Environment {
    let upstream = match service {
        "gateway" => vec![("ORDER_SERVICE_URL", "localhost:3000".to_owned())],
        "order" => vec![("PAYMENT_SERVICE_URL", "localhost:3001".to_owned())],
        _ => Vec::new(),
    };
    let everywhere = [("BIND_ADDRESS", "0.0.0.0".to_owned())];
    with_vars(
        with_vars(with_vars(common_vars("production"), &database_vars(data, service)), &upstream),
        &everywhere,
    )
}

#[tokio::test]
async fn production_off_loopback_requires_tls() {
    let data = tempfile::tempdir().unwrap();
    for service in ["order", "payment"] {
        let exit = Process::start(&[service], &off_loopback(service, data.path())).wait().await;
        assert_eq!(exit.code, Some(EXIT_CONFIGURATION), "{exit:#?}");
        assert_eq!(
            exit.stderr,
            [
                "TLS_CERT_FILE environment variable is missing: production does not serve plain text off loopback, at \
              0.0.0.0:0; accepted: a PEM file with a certificate, or TLS=none, or a loopback \
              BIND_ADDRESS."
            ]
        );
    }
}

#[tokio::test]
async fn tls_and_auth_opt_outs_are_logged_and_shown() {
    let data = tempfile::tempdir().unwrap();
    for service in ["gateway", "order", "payment"] {
        let admin = free_address();
        let opt_outs = [("TLS", "none".to_owned()), ("ADMIN_ADDRESS", admin.to_string())];
        let mut process =
            Process::start(&[service], &with_vars(off_loopback(service, data.path()), &opt_outs));
        process.address().await;
        let operator = Client::new(format!("http://{admin}"));
        eventually("it is ready and lists the opt-outs", async || {
            let page = operator.exchange(&Method::GET, "/readyz", &[], "").await.unwrap();
            let auth = if service == "gateway" { "waived: AUTH\n" } else { "" };
            (page.text() == format!("ready\n{auth}waived: TLS\n")).then_some(())
        })
        .await;
        let exit = process.terminate(STOP_MAX).await;
        let warned = |of: &str| exit.stderr.iter().filter(|line| line.contains(of)).count();
        assert_eq!((exit.code, warned("TLS=none")), (Some(0), 1), "{service}: {:#?}", exit.stderr);
        assert_eq!(warned("AUTH=none"), usize::from(service == "gateway"), "{service}: {:#?}", exit.stderr);
    }
}

/// Writes a CA certificate, and a certificate with its key for each service.
fn issue(directory: &Path) {
    issue_until(directory, 4096);
}

/// As [`issue`], with certificates of the services that end with the start of a year.
fn issue_until(directory: &Path, year: i32) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    for service in ["gateway", "order", "payment"] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![service.to_owned(), "localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(directory.join(format!("{service}.pem")), certificate.pem()).unwrap();
        std::fs::write(directory.join(format!("{service}.key")), key.serialize_pem()).unwrap();
    }
}

/// Variables for mutual TLS: `service` accepts calls from `caller` only.
fn mutual_tls(directory: &Path, service: &str, caller: &str) -> Environment {
    let file = |name: String| directory.join(name).display().to_string();
    vec![
        ("TLS_CERT_FILE", file(format!("{service}.pem"))),
        ("TLS_KEY_FILE", file(format!("{service}.key"))),
        ("TLS_CA_FILE", file("ca.pem".to_owned())),
        ("TLS_CLIENTS", caller.to_owned()),
    ]
}

#[tokio::test]
async fn expired_certificate_is_logged_once_and_measured() {
    let data = tempfile::tempdir().unwrap();
    issue_until(data.path(), 2000);
    for service in ["order", "payment"] {
        let admin = free_address();
        let vars =
            with_vars(off_loopback(service, data.path()), &mutual_tls(data.path(), service, "gateway"));
        let mut process =
            Process::start(&[service], &with_vars(vars, &[("ADMIN_ADDRESS", admin.to_string())]));
        process.address().await;
        let operator = Client::new(format!("http://{admin}"));
        let page = operator.exchange(&Method::GET, "/metrics", &[], "").await.unwrap();
        let file = format!("{service}.pem");
        // 2000-01-01 in Unix time.
        let is_measured = |line: &str| {
            line.starts_with("tls_certificate_not_after_seconds{")
                && line.contains(&file)
                && line.ends_with(" 946684800")
        };
        assert!(page.text().lines().any(is_measured), "{}", page.text());
        let exit = process.terminate(STOP_MAX).await;
        let warned = exit.stderr.iter().filter(|line| line.contains("WARN") && line.contains(&file)).count();
        assert_eq!((exit.code, warned), (Some(0), 1), "{service}: {:#?}", exit.stderr);
    }
}

/// A channel to `service` at `address` with the client certificate of `caller`.
fn channel(directory: &Path, caller: &str, service: &'static str, address: SocketAddr) -> Channel {
    let identity = Identity {
        certificate: directory.join(format!("{caller}.pem")),
        key: directory.join(format!("{caller}.key")),
    };
    let tls =
        ClientTls::load(Files { ca: Some(directory.join("ca.pem")), identity: Some(identity) }).unwrap();
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move { tls.connect(service, TcpStream::connect(address).await?).await.map(TokioIo::new) }
    });
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_with_connector_lazy(connector)
}

/// The status code of a read of a row that does not exist.
async fn status_code(service: &str, channel: Channel) -> Code {
    let response: Result<(), Status> = if service == "payment" {
        PaymentClient::new(channel).get(GetPaymentRequest { order_id: 1 }).await.map(drop)
    } else {
        OrderClient::new(channel).get(GetOrderRequest { order_id: 1, user_id: 0 }).await.map(drop)
    };
    response.unwrap_err().code()
}

#[tokio::test]
async fn service_accepts_its_configured_client_certificate_only() {
    let data = tempfile::tempdir().unwrap();
    issue(data.path());
    for (service, caller, other) in [("payment", "order", "gateway"), ("order", "gateway", "payment")] {
        let environment =
            with_vars(off_loopback(service, data.path()), &mutual_tls(data.path(), service, caller));
        let mut process = Process::start(&[service], &environment);
        let port = process.address().await.port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(
            status_code(service, channel(data.path(), caller, service, address)).await,
            Code::NotFound
        );
        let rejected = status_code(service, channel(data.path(), other, service, address)).await;
        assert_ne!(rejected, Code::NotFound, "{service}");
        let plain = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        assert_ne!(status_code(service, plain).await, Code::NotFound, "{service}");
        let exit = process.terminate(STOP_MAX).await;
        let rejected = exit.stderr.iter().filter(|line| line.contains("none of the names")).count();
        assert_eq!((exit.code, rejected), (Some(0), 1), "{service}: {:#?}", exit.stderr);
    }
}

/// Listens on all interfaces, where production rejects plain text.
#[tokio::test(flavor = "multi_thread")]
async fn order_passes_through_three_processes_over_mutual_tls() {
    let data = tempfile::tempdir().unwrap();
    issue(data.path());
    let everywhere = [("BIND_ADDRESS", "0.0.0.0".to_owned())];
    let environment = |service: &str, caller: Option<&str>| {
        let mut tls = mutual_tls(data.path(), service, caller.unwrap_or_default());
        tls.retain(|(name, _)| caller.is_some() || *name != "TLS_CLIENTS");
        with_vars(with_vars(common_vars("production"), &everywhere), &tls)
    };
    let environment_of_payment =
        with_vars(environment("payment", Some("order")), &database_vars(data.path(), "payment"));
    let mut payment = Process::start(&["payment"], &environment_of_payment);
    let url = format!("https://localhost:{}", payment.address().await.port());
    let environment_of_order =
        with_vars(environment("order", Some("gateway")), &database_vars(data.path(), "order"));
    let mut order =
        Process::start(&["order"], &with_vars(environment_of_order, &[("PAYMENT_SERVICE_URL", url)]));
    let url = format!("https://localhost:{}", order.address().await.port());
    let mut gateway =
        Process::start(&["gateway"], &with_vars(environment("gateway", None), &[("ORDER_SERVICE_URL", url)]));
    let client = Client::new(format!("http://127.0.0.1:{}", gateway.address().await.port()));
    let placed = client.post(EXAMPLE).await;
    assert_eq!((placed.status.as_u16(), &placed.json()["status"]), (201, &json!("PAID")));
    assert_eq!(client.get(placed.header("location")).await.text(), placed.text());
    for process in [gateway, order, payment] {
        let exit = process.terminate(STOP_MAX).await;
        assert_eq!(exit.code, Some(0), "{:#?}", exit.stderr);
        // The AUTH opt-out is the only warning.
        let warned = |line: &&String| line.contains("WARN") && !line.contains("AUTH=none: ");
        assert_eq!(exit.stderr.iter().find(warned), None);
    }
}
