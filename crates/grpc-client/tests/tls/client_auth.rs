//! Which clients a server lets in.

use std::time::Duration;

use grpc_client::tls::{ALERT_LINGER_MAX, ClientTls, ServerTls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};

use crate::{
    authority::{Authority, Issued, PemDir},
    handshake::{Seen, meet},
};

/// What becomes of a client that shows `issued` to a server that takes those of `ours` with one of `allowed`.
async fn called_by(ours: &Authority, allowed: &[&str], issued: Option<&Issued>) -> Seen {
    let dir = PemDir::new();
    let shown = dir.identity("server", &ours.issue(&["server"]));
    let server = ServerTls::load(shown, Some(dir.clients(ours, allowed))).unwrap();
    let client = ClientTls::load(dir.client(ours, issued)).unwrap();
    meet(&client, "server", &server).await
}

#[tokio::test]
async fn a_client_of_the_authority_is_let_in() {
    let ours = Authority::new("ours");
    called_by(&ours, &[], Some(&ours.issue(&["anybody"]))).await.shown();
}

#[tokio::test]
async fn one_of_the_names_is_enough() {
    let ours = Authority::new("ours");
    for names in [
        &["billing.example.org"][..],
        &["another", "BILLING.example.org"],
        &["another", "spiffe://example.org/billing"],
    ] {
        let issued = ours.issue(names);
        let allowed = ["nobody", "billing.example.org", "spiffe://example.org/billing"];
        called_by(&ours, &allowed, Some(&issued)).await.shown();
    }
}

#[tokio::test]
async fn a_client_with_other_names_is_denied_and_told_so() {
    let ours = Authority::new("ours");
    for names in [
        &["shop.example.org"][..],
        &["*.example.org"],
        &["billing.example.org.evil.example"],
        &["spiffe://example.org/billing/more", "spiffe://EXAMPLE.org/billing"],
        &["127.0.0.1"],
        &[],
    ] {
        let issued = ours.issue(names);
        let allowed = ["billing.example.org", "spiffe://example.org/billing"];
        let (client, server) = called_by(&ours, &allowed, Some(&issued)).await.refused();
        assert_eq!(client, "received fatal alert: AccessDenied", "{names:?}");
        assert_eq!(
            server,
            "the client's certificate has none of the names billing.example.org, spiffe://example.org/billing",
            "{names:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_shows_nothing_is_refused() {
    let ours = Authority::new("ours");
    let (client, server) = called_by(&ours, &[], None).await.refused();
    assert_eq!(client, "received fatal alert: CertificateRequired");
    assert_eq!(server, "peer sent no certificates");
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused_whatever_its_name() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let issued = other.issue(&["billing"]);
    let (client, server) = called_by(&ours, &["billing"], Some(&issued)).await.refused();
    assert_eq!(client, "received fatal alert: UnknownCA");
    assert_eq!(server, "invalid peer certificate: UnknownIssuer");
}

/// Its name is that of the authority, its key is not.
#[tokio::test]
async fn a_client_of_an_authority_of_the_same_name_is_refused() {
    let (ours, other) = (Authority::new("ours"), Authority::new("ours"));
    let (client, server) = called_by(&ours, &[], Some(&other.issue(&["billing"]))).await.refused();
    assert!(client.starts_with("received fatal alert: "), "{client}");
    assert!(server.starts_with("invalid peer certificate: "), "{server}");
}

#[tokio::test]
async fn a_client_whose_certificate_has_expired_is_refused() {
    let ours = Authority::new("ours");
    let issued = ours.issue_expired(&["billing"]);
    let (client, server) = called_by(&ours, &["billing"], Some(&issued)).await.refused();
    assert_eq!(client, "received fatal alert: CertificateExpired");
    assert!(server.starts_with("invalid peer certificate: certificate expired"), "{server}");
}

#[tokio::test]
async fn a_server_that_asks_for_nothing_lets_anyone_in() {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let server = ServerTls::load(dir.identity("server", &ours.issue(&["server"])), None).unwrap();
    for issued in [None, Some(Authority::new("other").issue(&["anybody"]))] {
        let client = ClientTls::load(dir.client(&ours, issued.as_ref())).unwrap();
        meet(&client, "server", &server).await.shown();
    }
}

/// A client that shows nothing to a server that asks for something, seen before the server has combined it.
async fn unjudged()
-> (tokio_rustls::client::TlsStream<DuplexStream>, impl Future<Output = std::io::Result<()>>) {
    let (dir, ours) = (PemDir::new(), Authority::new("ours"));
    let shown = dir.identity("server", &ours.issue(&["server"]));
    let server = ServerTls::load(shown, Some(dir.clients(&ours, &[]))).unwrap();
    let client = ClientTls::load(dir.client(&ours, None)).unwrap();
    let (io, peer) = tokio::io::duplex(4096);
    let accepting = tokio::spawn(async move { server.accept(peer).await.map(drop) });
    (client.connect("server", io).await.unwrap(), async { accepting.await.unwrap() })
}

/// What it still sends would reset a connection that is closed at once, and the alert with it (RFC 9112 §9.6).
#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_can_send_what_it_was_about_to_and_then_reads_why() {
    let (mut client, accepting) = unjudged().await;
    for _ in 0..10 {
        client.write_all(&[0; 4096]).await.unwrap();
        client.flush().await.unwrap();
    }
    let alert = client.read_u8().await.unwrap_err().to_string();
    assert_eq!(alert, "received fatal alert: CertificateRequired");
    drop(client);
    assert_eq!(accepting.await.unwrap_err().to_string(), "peer sent no certificates");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_and_stays_is_let_go() {
    let started = Instant::now();
    let (_client, accepting) = unjudged().await;
    assert_eq!(accepting.await.unwrap_err().to_string(), "peer sent no certificates");
    assert!(started.elapsed() < ALERT_LINGER_MAX + Duration::from_millis(100), "{:?}", started.elapsed());
}
