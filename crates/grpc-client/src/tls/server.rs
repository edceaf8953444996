//! The server's side of TLS.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    ALPN, ALPN_HTTP_1_1, Files, Identity, TlsError,
    client_name::{ClientName, NameVerifier},
    pem_files::PemFiles,
    provider,
    reload::Reloadable,
    require_http2,
    validity::{Validity, log_invalid},
};

/// How long a rejected client has to close the connection. Closing a socket with unread bytes resets it, and
/// the client would not receive the alert with the reason.
pub const ALERT_LINGER_MAX: Duration = Duration::from_millis(500);
/// Bytes that are read from a rejected client during that time.
const ALERT_LINGER_BYTES_MAX: u64 = 64 * 1024;

/// The TLS configuration of a server: its certificate, and which clients it accepts. Clones share the
/// configuration and its reloads.
#[derive(Clone)]
pub struct ServerTls {
    config: Reloadable<ServerConfig>,
    allowed: Arc<[ClientName]>,
    /// Whether clients must negotiate HTTP/2.
    http2_only: bool,
}

/// Authentication of clients by certificates (mutual TLS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// Certificates of the authorities that may issue client certificates.
    pub ca: PathBuf,
    /// A client certificate must contain one of these names; an empty list allows any name.
    pub allowed: Vec<ClientName>,
}

impl ServerTls {
    /// Reads the files of `identity`, the server's certificate, and of `clients`. Without `clients`, no
    /// client certificate is requested, and every client is accepted.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    ///
    /// Every fault of the files.
    pub fn load(identity: Identity, clients: Option<ClientAuth>) -> Result<Self, TlsError> {
        let (ca, allowed) = clients.map(|clients| (clients.ca, clients.allowed)).unzip();
        let allowed: Arc<[ClientName]> = allowed.unwrap_or_default().into();
        let (files, names) = (Files { ca, identity: Some(identity) }, allowed.clone());
        let config = Reloadable::load(files, move |contents| configuration(contents, &names, &[ALPN]))?;
        Ok(Self { config, allowed, http2_only: true })
    }

    /// As [`load`](Self::load), for a public listener: HTTP/2 and HTTP/1.1, without client certificates. A
    /// client without ALPN is accepted (RFC 9112 §9.8 does not require it).
    ///
    /// # Errors
    ///
    /// Every fault of the files.
    pub fn load_public(identity: Identity) -> Result<Self, TlsError> {
        let files = Files { ca: None, identity: Some(identity) };
        let config =
            Reloadable::load(files, |contents| configuration(contents, &[], &[ALPN, ALPN_HTTP_1_1]))?;
        Ok(Self { config, allowed: Arc::default(), http2_only: false })
    }

    /// The validity periods of the certificates in use, as of the last reload.
    pub fn validity(&self) -> Vec<Validity> {
        self.config.validity()
    }

    /// Logs a warning for each certificate that is expired or not yet valid; a reload does it by itself.
    pub fn log_invalid(&self) {
        log_invalid(&self.validity());
    }

    /// Runs the handshake over `io`. Has no timeout of its own. A rejected client receives an alert, which
    /// takes up to [`ALERT_LINGER_MAX`] longer.
    ///
    /// # Errors
    ///
    /// An error of `io`, a missing or rejected client certificate, and a client that did not negotiate
    /// HTTP/2. An error of TLS itself contains a [`rustls::Error`], or has one as its source.
    pub async fn accept<IO>(&self, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let acceptor = TlsAcceptor::from(self.config.current().await);
        match acceptor.accept(io).into_fallible().await {
            Ok(stream) => {
                if self.http2_only {
                    require_http2(stream.get_ref().1.alpn_protocol())?;
                }
                Ok(stream)
            }
            Err((error, io)) => {
                if tls_error(&error).is_some() {
                    drain(io).await;
                }
                Err(self.with_names(error))
            }
        }
    }

    /// Adds the allowed names to the error of a client without one of them.
    fn with_names(&self, error: io::Error) -> io::Error {
        let denied = CertificateError::ApplicationVerificationFailure.into();
        if tls_error(&error) != Some(&denied) {
            return error;
        }
        let names: Vec<String> = self.allowed.iter().map(ToString::to_string).collect();
        io::Error::new(error.kind(), NotAllowed { names: names.join(", "), source: denied })
    }
}

/// A valid client certificate without an allowed name.
#[derive(Debug, thiserror::Error)]
#[error("the client's certificate has none of the names {names}")]
struct NotAllowed {
    names: String,
    source: rustls::Error,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("files", self.config.files())
            .field("allowed", &self.allowed)
            .finish()
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Closes the sending side, and reads until the client closes its own, within bounds.
async fn drain<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO) {
    let closing = async {
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(ALERT_LINGER_BYTES_MAX), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(ALERT_LINGER_MAX, closing).await;
}

fn configuration(
    files: &PemFiles,
    names: &[ClientName],
    protocols: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let (provider, mut faults) = (provider(), Vec::new());
    let roots = files.roots(&mut faults);
    let identity = files.identity(&provider, &mut faults);
    let built = identity.filter(|_| faults.is_empty()).and_then(|identity| {
        let clients: Arc<dyn ClientCertVerifier> = match roots {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(roots) => {
                let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
                let chain = builder.build().ok()?;
                if names.is_empty() { chain } else { Arc::new(NameVerifier { chain, names: names.to_vec() }) }
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(identity);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Some(config)
    });
    TlsError::unless(faults, built)
}
