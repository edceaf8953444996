//! Which clients a server accepts.

use std::time::Duration;

use grpc_client::tls::{ALERT_LINGER_MAX, ClientTls, ServerTls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};

use crate::{
    authority::{Authority, Issued, PemDir},
    handshake::{Outcome, connect},
};

/// Connects a client with the certificate `issued` to a server that accepts clients of `ca` with one of the
/// `allowed` names.
async fn outcome(ca: &Authority, allowed: &[&str], issued: Option<&Issued>) -> Outcome {
    let dir = PemDir::new();
    let identity = dir.identity("server", &ca.issue(&["server"]));
    let server = ServerTls::load(identity, Some(dir.client_auth(ca, allowed))).unwrap();
    let client = ClientTls::load(dir.client(ca, issued)).unwrap();
    connect(&client, "server", &server).await
}

#[tokio::test]
async fn client_of_the_authority_with_an_allowed_name_is_accepted() {
    let ca = Authority::new("ca");
    let allowed = &["other", "billing.example.org", "spiffe://example.org/billing"][..];
    for (allowed, names) in [
        (&[][..], &["any"][..]),
        (allowed, &["billing.example.org"]),
        (allowed, &["another", "BILLING.example.org"]),
        (allowed, &["another", "spiffe://example.org/billing"]),
    ] {
        outcome(&ca, allowed, Some(&ca.issue(names))).await.certificate();
    }
}

#[tokio::test]
async fn client_without_an_allowed_name_receives_access_denied() {
    let ca = Authority::new("ca");
    for names in [
        &["shop.example.org"][..],
        &["*.example.org"],
        &["billing.example.org.evil.example"],
        &["spiffe://example.org/billing/more", "spiffe://EXAMPLE.org/billing"],
        &["127.0.0.1"],
        &[],
    ] {
        let allowed = ["billing.example.org", "spiffe://example.org/billing"];
        let (client, server) = outcome(&ca, &allowed, Some(&ca.issue(names))).await.errors();
        assert_eq!(client, "received fatal alert: AccessDenied", "{names:?}");
        assert_eq!(
            server,
            "the client's certificate has none of the names billing.example.org, spiffe://example.org/billing",
            "{names:?}"
        );
    }
}

/// The last authority has the same name as the trusted one, and another key.
#[tokio::test]
async fn client_without_a_valid_certificate_of_the_authority_is_rejected() {
    let (ca, other, same_name) = (Authority::new("ca"), Authority::new("other"), Authority::new("ca"));
    for (issued, alert, error) in [
        (None, "CertificateRequired", "peer sent no certificates"),
        (Some(other.issue(&["billing"])), "UnknownCA", "invalid peer certificate: UnknownIssuer"),
        (
            Some(ca.issue_expired(&["billing"])),
            "CertificateExpired",
            "invalid peer certificate: certificate expired",
        ),
        (Some(same_name.issue(&["billing"])), "", "invalid peer certificate: "),
    ] {
        for allowed in [&[][..], &["billing"]] {
            let (client, server) = outcome(&ca, allowed, issued.as_ref()).await.errors();
            assert!(client.starts_with(&format!("received fatal alert: {alert}")), "{client}, {error}");
            assert!(server.starts_with(error), "{server}");
        }
    }
}

#[tokio::test]
async fn server_without_client_auth_accepts_every_client() {
    let (dir, ca) = (PemDir::new(), Authority::new("ca"));
    let server = ServerTls::load(dir.identity("server", &ca.issue(&["server"])), None).unwrap();
    for issued in [None, Some(Authority::new("other").issue(&["any"]))] {
        let client = ClientTls::load(dir.client(&ca, issued.as_ref())).unwrap();
        connect(&client, "server", &server).await.certificate();
    }
}

/// A client without a certificate, before the server has rejected it.
async fn before_rejection()
-> (tokio_rustls::client::TlsStream<DuplexStream>, impl Future<Output = std::io::Result<()>>) {
    let (dir, ca) = (PemDir::new(), Authority::new("ca"));
    let identity = dir.identity("server", &ca.issue(&["server"]));
    let server = ServerTls::load(identity, Some(dir.client_auth(&ca, &[]))).unwrap();
    let client = ClientTls::load(dir.client(&ca, None)).unwrap();
    let (io, peer) = tokio::io::duplex(4096);
    let accepting = tokio::spawn(async move { server.accept(peer).await.map(drop) });
    (client.connect("server", io).await.unwrap(), async { accepting.await.unwrap() })
}

/// Closing the connection over unread bytes would reset it, and the client would lose the alert (RFC 9112
/// §9.6).
#[tokio::test(start_paused = true)]
async fn rejected_client_can_finish_sending_and_then_receives_the_alert() {
    let (mut client, accepting) = before_rejection().await;
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
async fn rejected_client_that_does_not_close_is_disconnected() {
    let started = Instant::now();
    let (_client, accepting) = before_rejection().await;
    assert_eq!(accepting.await.unwrap_err().to_string(), "peer sent no certificates");
    assert!(started.elapsed() < ALERT_LINGER_MAX + Duration::from_millis(100), "{:?}", started.elapsed());
}
