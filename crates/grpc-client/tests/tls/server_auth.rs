//! Which servers a client trusts, and which protocols both sides negotiate.

use std::sync::Arc;

use grpc_client::tls::{ClientTls, Files, ServerTls};
use rustls::{
    ClientConfig, DEFAULT_VERSIONS, HandshakeKind, RootCertStore, ServerConfig,
    crypto::ring,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{
    authority::{Authority, Issued, PemDir},
    handshake::{Outcome, connect, request, respond},
};

const NO_HTTP2: &str = "the peer did not negotiate HTTP/2 (ALPN h2)";

/// A client that trusts `ca` and has no certificate.
fn client(ca: &Authority) -> ClientTls {
    ClientTls::load(PemDir::new().client(ca, None)).unwrap()
}

/// A server with the certificate `issued`, without client authentication.
fn server(issued: &Issued) -> ServerTls {
    ServerTls::load(PemDir::new().identity("server", issued), None).unwrap()
}

/// Connects under `name` to a server with the certificate `issued`.
async fn outcome(trusted: &Authority, name: &str, issued: &Issued) -> Outcome {
    connect(&client(trusted), name, &server(issued)).await
}

#[tokio::test]
async fn server_is_trusted_under_each_of_its_names() {
    let ca = Authority::new("ca");
    let issued = ca.issue(&["server.example.org", "*.zone.example", "127.0.0.1", "::1"]);
    for name in ["server.example.org", "SERVER.example.org.", "a.zone.example", "127.0.0.1", "::1", "[::1]"] {
        outcome(&ca, name, &issued).await.certificate();
    }
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "a process-wide provider is installed");
}

#[tokio::test]
async fn server_with_another_name_or_authority_or_an_expired_certificate_is_rejected() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let names = ca.issue(&["server.example.org", "127.0.0.1"]);
    let wrong_name = ("certificate not valid for name", "BadCertificate");
    for (name, issued, (error, alert)) in [
        ("example.org", &names, wrong_name),
        ("other.server.example.org", &names, wrong_name),
        ("127.0.0.2", &names, wrong_name),
        ("::1", &names, wrong_name),
        ("server", &other.issue(&["server"]), ("UnknownIssuer", "UnknownCA")),
        ("server", &ca.issue_expired(&["server"]), ("certificate expired", "CertificateExpired")),
    ] {
        let (client, server) = outcome(&ca, name, issued).await.errors();
        assert!(client.starts_with(&format!("invalid peer certificate: {error}")), "{name}: {client}");
        assert_eq!(server, format!("received fatal alert: {alert}"), "{name}");
    }
}

#[tokio::test]
async fn system_roots_do_not_trust_the_tests_authority() {
    let client = match ClientTls::load(Files::default()) {
        Ok(client) => client,
        Err(error) => {
            let texts: Vec<String> = error.faults().iter().map(ToString::to_string).collect();
            assert!(texts[0].starts_with("the system's root certificates: "), "{texts:?}");
            return;
        }
    };
    let issued = Authority::new("ca").issue(&["server"]);
    let (error, _) = connect(&client, "server", &server(&issued)).await.errors();
    assert_eq!(error, "invalid peer certificate: UnknownIssuer");
}

#[tokio::test]
async fn invalid_server_name_is_rejected_before_a_byte_is_sent() {
    let client = client(&Authority::new("ca"));
    for name in ["", "a b", "[::1", "server:443", "https://server"] {
        let (io, mut peer) = tokio::io::duplex(1024);
        let error = client.connect(name, io).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{name:?} is neither a DNS name nor an IP address"));
        assert_eq!(tokio::io::AsyncReadExt::read(&mut peer, &mut [0; 8]).await.unwrap(), 0);
    }
}

async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, server) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

/// A rustls client without ALPN.
fn rustls_client(
    trusted: &Authority,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[tokio::test]
async fn server_without_alpn_is_rejected() {
    let ca = Authority::new("ca");
    let issued = ca.issue(&["server"]);
    let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let (io, peer) = socket_pair().await;
    let (client, acceptor) = (client(&ca), TlsAcceptor::from(Arc::new(config)));
    let (rejected, accepted) = tokio::join!(client.connect("server", io), acceptor.accept(peer));
    accepted.unwrap();
    assert_eq!(rejected.unwrap_err().to_string(), NO_HTTP2);
}

#[tokio::test]
async fn client_without_alpn_is_rejected() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["server"]));
    let connector = TlsConnector::from(Arc::new(rustls_client(&ca, DEFAULT_VERSIONS)));
    let (io, peer) = socket_pair().await;
    let name = ServerName::try_from("server").unwrap();
    let (connected, rejected) = tokio::join!(connector.connect(name, io), server.accept(peer));
    connected.unwrap();
    assert_eq!(rejected.unwrap_err().to_string(), NO_HTTP2);
}

#[tokio::test]
async fn both_tls_versions_work_and_no_session_is_resumed() {
    let ca = Authority::new("ca");
    let server = server(&ca.issue(&["server"]));
    for version in [&TLS12, &TLS13] {
        let mut config = rustls_client(&ca, &[version]);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        for _ in 0..3 {
            let (io, peer) = tokio::io::duplex(64 * 1024);
            let name = ServerName::try_from("server").unwrap();
            let (client, accepted) = tokio::join!(connector.connect(name, io), server.accept(peer));
            let mut client = client.unwrap();
            // Session tickets arrive with the first data.
            let (requested, responded) = tokio::join!(request(&mut client), respond(accepted.unwrap()));
            requested.and(responded).unwrap();
            let session = client.get_ref().1;
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}
