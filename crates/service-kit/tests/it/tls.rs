//! Connections that are made secure first: who gets in, who holds up nobody, and what a stop waits for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use grpc_client::tls::{ClientAuth, ClientTls, Files, Identity, ServerTls};
use hyper_util::rt::TokioIo;
use proto::order::order_client::OrderClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use service_kit::{
    env::Mode,
    grpc::{HANDSHAKE_MAX, HANDSHAKES_MAX},
};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream, sync::Notify};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::{
    logs::{self, Log},
    serving::{Handler, Serving, Starting, eventually, get, order, soon},
};

pub(crate) const NAME: &str = "order.internal";
pub(crate) const CLIENT: &str = "gateway.internal";

/// The files of an authority, of a server, and of the one client that it takes.
pub(crate) struct Place {
    directory: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap(), authority: authority() };
        place.write("ca", &place.authority.pem());
        place.renew();
        place
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

    /// Lets another authority issue what follows. It is trusted beside the one before.
    pub(crate) fn change_authority(&mut self) {
        let before = std::mem::replace(&mut self.authority, authority());
        self.write("ca", &format!("{}{}", before.pem(), self.authority.pem()));
    }

    /// A reader sees the previous file or all of this one.
    fn write(&self, file: &str, text: &str) {
        let unfinished = self.directory.path().join("unfinished");
        std::fs::write(&unfinished, text).unwrap();
        std::fs::rename(unfinished, self.directory.path().join(file)).unwrap();
    }

    fn identity(&self, name: &str) -> Identity {
        let file = self.directory.path().join(name);
        Identity { certificate: file.clone(), key: file }
    }

    async fn serve(&self, handler: Handler) -> Serving {
        self.serve_at(0, handler).await
    }

    pub(crate) async fn serve_at(&self, port: u16, handler: Handler) -> Serving {
        let allowed = vec![CLIENT.parse().unwrap()];
        let clients = ClientAuth { ca: self.directory.path().join("ca"), allowed };
        let tls = ServerTls::load(self.identity(NAME), Some(clients)).unwrap();
        Starting::at_port(port, Mode::Production, handler).await.secured(tls).serve().await
    }

    /// A client that shows the certificate of `name`.
    pub(crate) fn client(&self, name: Option<&str>) -> ClientTls {
        let identity = name.map(|name| self.identity(name));
        ClientTls::load(Files { ca: Some(self.directory.path().join("ca")), identity }).unwrap()
    }
}

/// A connection of its own.
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
    let place = Place::new();
    let handler = Handler::new(|request| async move {
        assert!(request.remote_addr().unwrap().ip().is_loopback());
        assert!(request.local_addr().unwrap().ip().is_loopback());
        Ok(order(7))
    });
    let serving = place.serve(handler).await;
    let mut client = connect(&serving, place.client(Some(CLIENT))).await.unwrap();
    assert_eq!(client.get(get(7)).await.unwrap().into_inner().order_id, 7);
}

#[tokio::test]
async fn a_rejected_client_gets_the_reason_and_the_log_a_line_per_interval() {
    let log = Log::default();
    let _guard = logs::keep(&log, Mode::Development, "info");
    let place = Place::new();
    let serving = place.serve(Handler::echo()).await;
    let started = Instant::now();
    for _ in 0..20 {
        for (name, alert) in [(Some(NAME), "AccessDenied"), (None, "CertificateRequired")] {
            let tls = place.client(name);
            let io = TcpStream::connect(serving.address).await.unwrap();
            let mut stream = soon(tls.connect(NAME, io)).await.unwrap();
            let error = soon(stream.read_u8()).await.unwrap_err().to_string();
            assert_eq!(error, format!("received fatal alert: {alert}"));
        }
    }
    // Not even plain text.
    assert!(connect_plain(&serving).await.is_err());
    eventually("the log was told", async || !log.lines("TLS handshake failed").is_empty()).await;
    let told = log.lines("TLS handshake failed");
    let most = started.elapsed().as_secs() + 1;
    assert!(u64::try_from(told.len()).unwrap() <= most, "{told:#?}");
    assert!(told[0].contains("none of the names gateway.internal") && told[0].contains("127.0.0.1:"));
    let mut client = connect(&serving, place.client(Some(CLIENT))).await.unwrap();
    client.get(get(1)).await.unwrap();
}

async fn connect_plain(serving: &Serving) -> Result<(), tonic::Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", serving.address)).unwrap();
    soon(OrderClient::new(endpoint.connect_lazy()).get(get(1))).await.map(drop)
}

#[tokio::test]
async fn silent_clients_delay_no_other_and_the_oldest_are_dropped() {
    let place = Place::new();
    let serving = place.serve(Handler::echo()).await;
    let started = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..HANDSHAKES_MAX + 50 {
        silent.push(TcpStream::connect(serving.address).await.unwrap());
    }
    let mut client = connect(&serving, place.client(Some(CLIENT))).await.unwrap();
    client.get(get(1)).await.unwrap();
    // The first 50 made room for the last 50, and one for the client.
    for stream in &mut silent[..51] {
        assert_eq!(soon(stream.read(&mut [0; 1])).await.unwrap_or(0), 0);
    }
    assert!(started.elapsed() < HANDSHAKE_MAX, "{:?}", started.elapsed());
    assert!(silent[60].try_read(&mut [0; 1]).is_err(), "it is still given time");
}

#[tokio::test]
async fn a_silent_client_is_dropped_after_the_handshake_limit() {
    let place = Place::new();
    let serving = place.serve(Handler::echo()).await;
    let mut silent = TcpStream::connect(serving.address).await.unwrap();
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    assert_eq!(soon(silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
    let (took, second) = (started.elapsed(), Duration::from_secs(1));
    assert!(took > HANDSHAKE_MAX - second && took < HANDSHAKE_MAX + second, "{took:?}");
}

#[tokio::test]
async fn shutdown_finishes_calls_and_waits_for_no_handshake() {
    let (place, entered, release) = (Place::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
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
    let serving = place.serve(handler).await;
    let mut client = connect(&serving, place.client(Some(CLIENT))).await.unwrap();
    let call = tokio::spawn(async move { client.get(get(1)).await });
    soon(entered.notified()).await;
    let mut silent = TcpStream::connect(serving.address).await.unwrap();

    serving.shutdown.cancel();
    eventually("refused", async || TcpStream::connect(serving.address).await.is_err()).await;
    assert_eq!(soon(silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
    assert!(!serving.served.is_finished());
    release.notify_one();
    assert_eq!(soon(call).await.unwrap().unwrap().into_inner().order_id, 1);
    soon(serving.served).await.unwrap().unwrap();
}
