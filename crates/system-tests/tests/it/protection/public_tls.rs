//! TLS on the public listener.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use all_in_one::{Options, System};
use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    support::{eventually, scrape},
    traces::collector::Collector,
};

const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Writes a new certificate with its key.
fn issue(directory: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("public.key"), signing_key.serialize_pem()).unwrap();
    std::fs::write(directory.join("public.pem"), cert.pem()).unwrap();
    cert.der().clone()
}

async fn start(directory: &Path) -> (System, SocketAddr) {
    start_with(directory, Options::default()).await
}

async fn start_with(directory: &Path, options: Options) -> (System, SocketAddr) {
    let file = |name: &str| directory.join(name).display().to_string();
    let options = options
        .var("PUBLIC_TLS_CERT_FILE", file("public.pem"))
        .var("PUBLIC_TLS_KEY_FILE", file("public.key"));
    let system = System::start_with(options).await.unwrap();
    let gateway = system.gateway_address();
    (system, gateway)
}

/// A TLS connection that trusts `certificate` only and offers these ALPN protocols.
async fn connect(
    gateway: SocketAddr,
    certificate: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(gateway).await?).await
}

fn livez() -> Request<Empty<Bytes>> {
    Request::get("https://localhost/livez").header("host", "localhost").body(Empty::new()).unwrap()
}

#[tokio::test]
async fn alpn_selects_http_2_or_http_1_1() {
    let data = tempfile::tempdir().unwrap();
    let certificate = issue(data.path());
    let (_system, gateway) = start(data.path()).await;
    for (offered, agreed) in [
        (&[H2, HTTP_1_1][..], Some(H2)),
        (&[HTTP_1_1, H2], Some(H2)),
        (&[HTTP_1_1], Some(HTTP_1_1)),
        (&[], None),
    ] {
        let stream = connect(gateway, &certificate, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        let io = TokioIo::new(stream);
        let response = if agreed == Some(H2) {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(livez()).await.unwrap()
        } else {
            let (mut sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(livez()).await.unwrap()
        };
        let version = if agreed == Some(H2) { Version::HTTP_2 } else { Version::HTTP_11 };
        assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
    }
    assert!(connect(gateway, &certificate, &[b"spdy/3"]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_handshake_does_not_delay_shutdown() {
    let data = tempfile::tempdir().unwrap();
    issue(data.path());
    let (system, gateway) = start(data.path()).await;
    let silent = TcpStream::connect(gateway).await.unwrap();
    let mut half = TcpStream::connect(gateway).await.unwrap();
    // The header of a ClientHello of 512 bytes.
    half.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(3), system.stop()).await.expect("in time").unwrap();
    drop((silent, half));
}

/// The end of the period of rcgen's certificates, 4096-01-01, and of one that has expired.
const NOT_AFTER: [&str; 2] = ["67090118400", "946684800"];

#[tokio::test]
async fn the_end_of_a_certificate_is_exported_and_follows_a_reload() {
    let data = tempfile::tempdir().unwrap();
    let certificate = issue(data.path());
    let (system, gateway) = start(data.path()).await;
    let not_after = async || {
        let page = scrape::page(system.gateway_admin()).await;
        let line =
            page.lines().find(|line| line.starts_with("tls_certificate_not_after_seconds{use=\"public\""));
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    assert_eq!(not_after().await.as_deref(), Some(NOT_AFTER[0]));
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2000, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(data.path().join("public.key"), key.serialize_pem()).unwrap();
    std::fs::write(data.path().join("public.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    eventually("the reload", || async {
        // A connection starts the reload.
        drop(connect(gateway, &certificate, &[H2]).await);
        (not_after().await.as_deref() == Some(NOT_AFTER[1])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn span_has_the_https_scheme() {
    let collector = Collector::start().await;
    let data = tempfile::tempdir().unwrap();
    let certificate = issue(data.path());
    let options = Options::default()
        .var("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .var("OTEL_BSP_SCHEDULE_DELAY", 50);
    let (_system, gateway) = start_with(data.path(), options).await;
    let stream = connect(gateway, &certificate, &[HTTP_1_1]).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(sender.send_request(livez()).await.unwrap().status(), StatusCode::OK);
    let span = eventually("its span", async || collector.spans().pop()).await;
    assert_eq!(
        (span.name().as_str(), span.attribute("url.scheme").as_str()),
        ("gateway: GET /livez", "https")
    );
}

#[tokio::test]
async fn plain_text_is_rejected_and_counted() {
    let data = tempfile::tempdir().unwrap();
    let certificate = issue(data.path());
    let (system, gateway) = start(data.path()).await;
    let mut plain = TcpStream::connect(gateway).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nHost: g\r\n\r\n").await.unwrap();
    let mut read = Vec::new();
    let _ = plain.read_to_end(&mut read).await;
    assert!(!read.starts_with(b"HTTP"), "{read:?}");
    eventually("it is counted", async || {
        let page = scrape::page(system.gateway_admin()).await;
        page.contains("http_server_tls_handshakes_failed_total 1\n").then_some(())
    })
    .await;
    assert!(connect(gateway, &certificate, &[H2]).await.is_ok());
}

#[tokio::test]
async fn slow_handshakes_time_out_without_blocking_others() {
    let data = tempfile::tempdir().unwrap();
    let certificate = issue(data.path());
    let (_system, gateway) = start(data.path()).await;
    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(gateway).await.unwrap();
        // The first bytes of a TLS record.
        stream.write_all(&[0x16, 3, 1]).await.unwrap();
        silent.push(stream);
    }
    assert!(connect(gateway, &certificate, &[H2]).await.is_ok());
    assert!(began.elapsed() < gateway::limits::HANDSHAKE_MAX, "{:?}", began.elapsed());
    for mut stream in silent {
        let close_max = gateway::limits::HANDSHAKE_MAX + Duration::from_secs(10);
        let mut byte = [0];
        let exit = tokio::time::timeout(close_max, stream.read(&mut byte)).await.expect("it ends");
        assert!(!matches!(exit, Ok(1..)));
    }
}

#[tokio::test]
async fn certificate_is_reloaded_for_new_connections() {
    let data = tempfile::tempdir().unwrap();
    let old = issue(data.path());
    let (_system, gateway) = start(data.path()).await;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(connect(gateway, &old, &[HTTP_1_1]).await.unwrap())).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(sender.send_request(livez()).await.unwrap().status(), StatusCode::OK);

    std::fs::write(data.path().join("public.pem"), "half of one").unwrap();
    tokio::time::sleep(grpc_client::tls::RELOAD_INTERVAL).await;
    assert!(connect(gateway, &old, &[H2]).await.is_ok());
    let new = issue(data.path());
    eventually("the new one is shown", async || connect(gateway, &new, &[H2]).await.ok()).await;
    assert!(connect(gateway, &old, &[H2]).await.is_err());
    sender.ready().await.unwrap();
    assert_eq!(sender.send_request(livez()).await.unwrap().status(), StatusCode::OK);
}
