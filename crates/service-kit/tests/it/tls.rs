//! Incoming TLS connections: which clients are accepted, the limits of handshakes, and shutdown.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use grpc_client::tls::{ClientAuth, ClientTls, Files, Identity, ServerTls};
use hyper_util::rt::TokioIo;
use proto::order::order_client::OrderClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use service_kit::{accept::OPENING_MAX, env::Mode, grpc::HANDSHAKE_MAX};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream, sync::Notify};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::{
    logs::{self, Log},
    serving::{Handler, Serving, Starting, eventually, get, order, soon},
};

pub(crate) const NAME: &str = "order.internal";
pub(crate) const CLIENT: &str = "gateway.internal";

/// The certificates and keys of an authority, of a server, and of the one client that it accepts.
pub(crate) struct TlsFiles {
    directory: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl TlsFiles {
    pub(crate) fn new() -> Self {
        let files = Self { directory: tempfile::tempdir().unwrap(), authority: authority() };
        files.write("ca", &files.authority.pem());
        files.renew();
        files
    }

    /// Replaces the certificates and keys of server and client; returns the server's, as DER.
    pub(crate) fn renew(&self) -> Vec<u8> {
        let [server, _] = [NAME, CLIENT].map(|name| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &self.authority).unwrap();
            self.write(name, &format!("{}{}", certificate.pem(), key.serialize_pem()));
            certificate.der().to_vec()
        });
        server
    }

    /// Issues later certificates from a new authority, which is trusted beside the previous one.
    pub(crate) fn change_authority(&mut self) {
        let previous = std::mem::replace(&mut self.authority, authority());
        self.write("ca", &format!("{}{}", previous.pem(), self.authority.pem()));
    }

    /// Replaces `file` atomically.
    fn write(&self, file: &str, text: &str) {
        let unfinished = self.directory.path().join("unfinished");
        std::fs::write(&unfinished, text).unwrap();
        std::fs::rename(unfinished, self.directory.path().join(file)).unwrap();
    }

    fn identity(&self, name: &str) -> Identity {
        let file = self.directory.path().join(name);
        Identity { certificate: file.clone(), key: file }
    }

    pub(crate) async fn serve(&self, handler: Handler) -> Serving {
        self.serve_at(0, handler).await
    }

    pub(crate) async fn serve_at(&self, port: u16, handler: Handler) -> Serving {
        let allowed = vec![CLIENT.parse().unwrap()];
        let clients = ClientAuth { ca: self.directory.path().join("ca"), allowed };
        let tls = ServerTls::load(self.identity(NAME), Some(clients)).unwrap();
        Starting::at_port(port, Mode::Production, handler).await.with_tls(tls).serve().await
    }

    /// A client that presents the certificate of `name`.
    pub(crate) fn client(&self, name: Option<&str>) -> ClientTls {
        let identity = name.map(|name| self.identity(name));
        ClientTls::load(Files { ca: Some(self.directory.path().join("ca")), identity }).unwrap()
    }
}

/// A new connection with `tls`.
async fn connect(serving: &Serving, tls: ClientTls) -> Result<OrderClient<Channel>, tonic::transport::Error> {
    let address = serving.address;
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move { tls.connect(NAME, TcpStream::connect(address).await?).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    soon(endpoint.connect_with_connector(connector)).await.map(OrderClient::new)
}

#[tokio::test]
async fn an_accepted_client_gets_responses_and_the_handler_sees_its_peer() {
    let files = TlsFiles::new();
    let handler = Handler::new(|request| async move {
        assert!(request.remote_addr().unwrap().ip().is_loopback());
        assert!(request.local_addr().unwrap().ip().is_loopback());
        Ok(order(7))
    });
    let serving = files.serve(handler).await;
    let mut client = connect(&serving, files.client(Some(CLIENT))).await.unwrap();
    assert_eq!(client.get(get(7)).await.unwrap().into_inner().order_id, 7);
}

#[tokio::test]
async fn a_rejected_client_gets_the_reason_and_the_log_a_line_per_interval() {
    let log = Log::default();
    let _guard = logs::capture(&log, Mode::Development, "info");
    let files = TlsFiles::new();
    let serving = files.serve(Handler::echo()).await;
    let started = Instant::now();
    for _ in 0..20 {
        for (name, alert) in [(Some(NAME), "AccessDenied"), (None, "CertificateRequired")] {
            let tls = files.client(name);
            let io = TcpStream::connect(serving.address).await.unwrap();
            let mut stream = soon(tls.connect(NAME, io)).await.unwrap();
            let error = soon(stream.read_u8()).await.unwrap_err().to_string();
            assert_eq!(error, format!("received fatal alert: {alert}"));
        }
    }
    assert!(connect_in_plain_text(&serving).await.is_err());
    eventually("a failure is logged", async || !log.lines("TLS handshake failed").is_empty()).await;
    let lines = log.lines("TLS handshake failed");
    let lines_max = started.elapsed().as_secs() + 1;
    assert!(u64::try_from(lines.len()).unwrap() <= lines_max, "{lines:#?}");
    assert!(lines[0].contains("none of the names gateway.internal") && lines[0].contains("127.0.0.1:"));
    let mut client = connect(&serving, files.client(Some(CLIENT))).await.unwrap();
    client.get(get(1)).await.unwrap();
}

async fn connect_in_plain_text(serving: &Serving) -> Result<(), tonic::Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", serving.address)).unwrap();
    soon(OrderClient::new(endpoint.connect_lazy()).get(get(1))).await.map(drop)
}

#[tokio::test]
async fn silent_clients_delay_no_other_and_the_oldest_are_dropped() {
    let files = TlsFiles::new();
    let serving = files.serve(Handler::echo()).await;
    let started = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..OPENING_MAX + 50 {
        silent.push(TcpStream::connect(serving.address).await.unwrap());
    }
    let mut client = connect(&serving, files.client(Some(CLIENT))).await.unwrap();
    client.get(get(1)).await.unwrap();
    // The 50 connections over the limit and the client's replace the 51 oldest.
    for stream in &mut silent[..51] {
        assert_eq!(soon(stream.read(&mut [0; 1])).await.unwrap_or(0), 0);
    }
    assert!(started.elapsed() < HANDSHAKE_MAX, "{:?}", started.elapsed());
    assert!(silent[60].try_read(&mut [0; 1]).is_err(), "a newer handshake was dropped");
}

#[tokio::test]
async fn a_silent_client_is_dropped_after_the_handshake_limit() {
    let files = TlsFiles::new();
    let serving = files.serve(Handler::echo()).await;
    let mut silent = TcpStream::connect(serving.address).await.unwrap();
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    assert_eq!(soon(silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
    let (took, second) = (started.elapsed(), Duration::from_secs(1));
    assert!(took > HANDSHAKE_MAX - second && took < HANDSHAKE_MAX + second, "{took:?}");
}

#[tokio::test]
async fn shutdown_finishes_calls_and_waits_for_no_handshake() {
    let (files, entered, release) = (TlsFiles::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, release) = (entered.clone(), release.clone());
        Handler::new(move |_| {
            let (entered, release) = (entered.clone(), release.clone());
            async move {
                entered.notify_one();
                release.notified().await;
                Ok(order(1))
            }
        })
    };
    let serving = files.serve(handler).await;
    let mut client = connect(&serving, files.client(Some(CLIENT))).await.unwrap();
    let call = tokio::spawn(async move { client.get(get(1)).await });
    soon(entered.notified()).await;
    let mut silent = TcpStream::connect(serving.address).await.unwrap();

    serving.shutdown.cancel();
    eventually("connections are refused", async || TcpStream::connect(serving.address).await.is_err()).await;
    assert_eq!(soon(silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
    assert!(!serving.served.is_finished());
    release.notify_one();
    assert_eq!(soon(call).await.unwrap().unwrap().into_inner().order_id, 1);
    soon(serving.served).await.unwrap().unwrap();
}
