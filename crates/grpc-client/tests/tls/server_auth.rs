//! Which servers a client trusts, and what both agree to speak.

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
    handshake::{Seen, answer, ask, meet},
};

/// What becomes of a call to `name`, where the server shows `issued` and the client trusts `trusted`.
async fn call(trusted: &Authority, name: &str, issued: &Issued) -> Seen {
    let dir = PemDir::new();
    let server = ServerTls::load(dir.identity("server", issued), None).unwrap();
    let client = ClientTls::load(dir.client(trusted, None)).unwrap();
    meet(&client, name, &server).await
}

#[tokio::test]
async fn a_server_is_trusted_by_any_of_its_names() {
    let ours = Authority::new("ours");
    let issued = ours.issue(&["server.example.org", "*.zone.example", "127.0.0.1", "::1"]);
    for name in ["server.example.org", "SERVER.example.org.", "a.zone.example", "127.0.0.1", "::1", "[::1]"] {
        call(&ours, name, &issued).await.shown();
    }
}

#[tokio::test]
async fn a_server_by_another_name_is_refused() {
    let ours = Authority::new("ours");
    let issued = ours.issue(&["server.example.org", "127.0.0.1"]);
    for name in ["example.org", "other.server.example.org", "127.0.0.2", "::1"] {
        let (client, server) = call(&ours, name, &issued).await.refused();
        assert!(client.starts_with("invalid peer certificate: certificate not valid for name"), "{client}");
        assert_eq!(server, "received fatal alert: BadCertificate", "{name}");
    }
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let (client, server) = call(&ours, "server", &other.issue(&["server"])).await.refused();
    assert_eq!(client, "invalid peer certificate: UnknownIssuer");
    assert_eq!(server, "received fatal alert: UnknownCA");
}

#[tokio::test]
async fn a_server_whose_certificate_has_expired_is_refused() {
    let ours = Authority::new("ours");
    let (client, server) = call(&ours, "server", &ours.issue_expired(&["server"])).await.refused();
    assert!(client.starts_with("invalid peer certificate: certificate expired"), "{client}");
    assert_eq!(server, "received fatal alert: CertificateExpired");
}

#[tokio::test]
async fn the_systems_authorities_do_not_vouch_for_ours() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let client = match ClientTls::load(Files::default()) {
        Ok(client) => client,
        Err(error) => {
            let texts: Vec<String> = error.faults().iter().map(ToString::to_string).collect();
            assert!(texts[0].starts_with("the system's root certificates: "), "{texts:?}");
            return;
        }
    };
    let server = ServerTls::load(dir.identity("server", &ours.issue(&["server"])), None).unwrap();
    let (client, _) = meet(&client, "server", &server).await.refused();
    assert_eq!(client, "invalid peer certificate: UnknownIssuer");
}

#[tokio::test]
async fn what_is_no_name_is_refused_before_a_byte_is_sent() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let client = ClientTls::load(dir.client(&ours, None)).unwrap();
    for name in ["", "a b", "[::1", "server:443", "https://server"] {
        let (io, mut peer) = tokio::io::duplex(1024);
        let error = client.connect(name, io).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{name:?} is neither a DNS name nor an IP address"));
        assert_eq!(tokio::io::AsyncReadExt::read(&mut peer, &mut [0; 8]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_server_that_agrees_on_no_protocol_is_refused() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let issued = ours.issue(&["server"]);
    let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let called = async {
        let (io, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(io).await.unwrap()
    };
    let client = ClientTls::load(dir.client(&ours, None)).unwrap();
    let calling = async { client.connect("server", TcpStream::connect(address).await.unwrap()).await };
    let (refused, _server) = tokio::join!(calling, called);
    assert_eq!(refused.unwrap_err().to_string(), "the peer did not agree on HTTP/2 (ALPN h2)");
}

/// A client that is not of this crate, and asks for no protocol.
fn foreign_client(
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
async fn both_versions_are_spoken_and_no_session_is_resumed() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let server = ServerTls::load(dir.identity("server", &ours.issue(&["server"])), None).unwrap();
    for version in [&TLS12, &TLS13] {
        let mut config = foreign_client(&ours, &[version]);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        for _ in 0..3 {
            let (io, peer) = tokio::io::duplex(64 * 1024);
            let name = ServerName::try_from("server").unwrap();
            let (calling, called) = tokio::join!(connector.connect(name, io), server.accept(peer));
            let mut calling = calling.unwrap();
            // Tickets come with what is read first.
            let (asked, answered) = tokio::join!(ask(&mut calling), answer(called.unwrap()));
            asked.and(answered).unwrap();
            let session = calling.get_ref().1;
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[tokio::test]
async fn a_client_that_agrees_on_no_protocol_is_refused() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let server = ServerTls::load(dir.identity("server", &ours.issue(&["server"])), None).unwrap();
    let config = foreign_client(&ours, DEFAULT_VERSIONS);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calling = async {
        let io = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("server").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, io).await.unwrap()
    };
    let called = async { server.accept(listener.accept().await.unwrap().0).await };
    let (_client, refused) = tokio::join!(calling, called);
    assert_eq!(refused.unwrap_err().to_string(), "the peer did not agree on HTTP/2 (ALPN h2)");
}

#[tokio::test]
async fn nothing_is_installed_for_the_whole_process() {
    let ours = Authority::new("ours");
    call(&ours, "server", &ours.issue(&["server"])).await.shown();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
