//! Whoever publishes keys: a server that answers what a test tells it to, and counts who asks.

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

/// A running server; it ends when this is dropped.
pub(super) struct Issuer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

struct Shared {
    says: Mutex<Says>,
    asked: AtomicUsize,
}

/// What the server does with a request.
#[derive(Clone)]
pub(super) enum Says {
    /// It answers 200 with this body.
    Document(String),
    /// It answers with this status, the address of another place, and this body.
    Status(u16, String, String),
    /// It takes the request, and never answers.
    Nothing,
}

impl Issuer {
    /// One that publishes the keys of `signers`.
    pub(super) async fn of(signers: &[Signer]) -> Self {
        Self::start(Says::Document(key_set(signers)), None).await
    }

    pub(super) async fn start(says: Says, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { says: Mutex::new(says), asked: AtomicUsize::new(0) });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let serving = tokio::spawn(accept(listener, tls, shared.clone())).abort_handle();
        Self { address, scheme, shared, serving }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}/keys?of=ours", self.scheme, self.address)
    }

    /// From now on it publishes the keys of `signers`.
    pub(super) fn publish(&self, signers: &[Signer]) {
        self.say(Says::Document(key_set(signers)));
    }

    pub(super) fn say(&self, says: Says) {
        *self.shared.says.lock().unwrap() = says;
    }

    /// How many have connected so far.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The document with the keys of `signers`.
pub(super) fn key_set(signers: &[Signer]) -> String {
    json!({ "keys": signers.iter().map(Signer::jwk).collect::<Vec<_>>() }).to_string()
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        shared.asked.fetch_add(1, Ordering::SeqCst);
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
        let says = shared.says.lock().unwrap().clone();
        async move {
            let (status, location, body) = match says {
                Says::Document(body) => (StatusCode::OK, String::new(), body),
                Says::Status(status, location, body) => {
                    (StatusCode::from_u16(status).unwrap(), location, body)
                }
                Says::Nothing => std::future::pending().await,
            };
            let response = Response::builder().status(status).header(header::LOCATION, location);
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
        }
    });
    // A gateway that is gone is none of the issuer's concern.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
