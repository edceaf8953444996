//! A JWKS server with scripted responses that counts its connections.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

use super::signer::Signer;

/// A running server; it stops when dropped.
pub(super) struct Issuer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

struct Shared {
    response: Mutex<KeySetResponse>,
    connections: AtomicUsize,
}

/// How the server responds.
#[derive(Clone)]
pub(super) enum KeySetResponse {
    /// 200 with this body.
    Document(String),
    /// This status, `Location` and body.
    Status(u16, String, String),
    /// No response.
    Hang,
}

impl Issuer {
    /// Starts a server that publishes the keys of `signers`.
    pub(super) async fn of(signers: &[Signer]) -> Self {
        Self::start(KeySetResponse::Document(key_set(signers)), None).await
    }

    pub(super) async fn start(response: KeySetResponse, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { response: Mutex::new(response), connections: AtomicUsize::new(0) });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let serving = tokio::spawn(accept(listener, tls, shared.clone())).abort_handle();
        Self { address, scheme, shared, serving }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}/keys?of=ours", self.scheme, self.address)
    }

    /// Publishes the keys of `signers` from now on.
    pub(super) fn publish(&self, signers: &[Signer]) {
        self.respond_with(KeySetResponse::Document(key_set(signers)));
    }

    pub(super) fn respond_with(&self, response: KeySetResponse) {
        *self.shared.response.lock().unwrap() = response;
    }

    /// The number of connections accepted so far.
    pub(super) fn connection_count(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The JWKS document with the keys of `signers`.
pub(super) fn key_set(signers: &[Signer]) -> String {
    json!({ "keys": signers.iter().map(Signer::jwk).collect::<Vec<_>>() }).to_string()
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|_| {
        let response = shared.response.lock().unwrap().clone();
        async move {
            let (status, location, body) = match response {
                KeySetResponse::Document(body) => (StatusCode::OK, String::new(), body),
                KeySetResponse::Status(status, location, body) => {
                    (StatusCode::from_u16(status).unwrap(), location, body)
                }
                KeySetResponse::Hang => std::future::pending().await,
            };
            let response = Response::builder().status(status).header(header::LOCATION, location);
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
        }
    });
    // The gateway may disconnect at any time.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
