//! The called side of TLS.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    ALPN, ALPN_HTTP_1_1, Files, Identity, TlsError, agreed_on_http2,
    contents::Contents,
    names::{ClientName, Named},
    provider,
    reload::Reloading,
};

/// How long a client that was refused is given to take its leave. A socket that is closed over unread bytes is
/// reset, and the client would never read the alert that says why.
pub const ALERT_LINGER_MAX: Duration = Duration::from_millis(500);
/// Bytes that are read from it meanwhile.
const ALERT_LINGER_BYTES_MAX: u64 = 64 * 1024;

/// How a server makes a connection secure: what it shows of itself, and which clients it takes. Clones share one
/// configuration.
#[derive(Clone)]
pub struct ServerTls {
    config: Reloading<ServerConfig>,
    allowed: Arc<[ClientName]>,
    /// Whether clients must agree on HTTP/2.
    http2_only: bool,
}

/// The clients that a server takes: each must show a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    /// Certificates of the authorities, one of which must have issued the client's.
    pub ca: PathBuf,
    /// The names of which the client's certificate must have at least one; where there are none, any will do.
    pub allowed: Vec<ClientName>,
}

impl ServerTls {
    /// Reads the files of `identity`, which is shown to every client, and of `clients`. Without the latter anyone
    /// may come, and no certificate is asked for.
    ///
    /// Blocks for as long as reading takes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the files.
    pub fn load(identity: Identity, clients: Option<Clients>) -> Result<Self, TlsError> {
        let (ca, allowed) = clients.map(|clients| (clients.ca, clients.allowed)).unzip();
        let allowed: Arc<[ClientName]> = allowed.unwrap_or_default().into();
        let (files, names) = (Files { ca, identity: Some(identity) }, allowed.clone());
        let config = Reloading::load(files, move |contents| configuration(contents, &names, &[ALPN]))?;
        Ok(Self { config, allowed, http2_only: true })
    }

    /// The same for a listener that everyone may come to, by HTTP/2 or by HTTP/1.1: no certificate is asked for, and who
    /// agrees on no protocol is let in too (RFC 9112, section 9.8, knows no ALPN).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the files.
    pub fn load_public(identity: Identity) -> Result<Self, TlsError> {
        let files = Files { ca: None, identity: Some(identity) };
        let config = Reloading::load(files, |contents| configuration(contents, &[], &[ALPN, ALPN_HTTP_1_1]))?;
        Ok(Self { config, allowed: Arc::default(), http2_only: false })
    }

    /// Makes `io` secure, or fails. How long this may take is the caller's to bound. A client that is refused is
    /// told by an alert, for which this takes up to [`ALERT_LINGER_MAX`] longer.
    ///
    /// # Errors
    ///
    /// Whatever `io` fails with, and a client that shows no certificate, or one that is not taken here, or did not
    /// agree on HTTP/2. What TLS itself found wrong is a [`rustls::Error`] within, or the source of what is.
    pub async fn accept<IO>(&self, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let acceptor = TlsAcceptor::from(self.config.current().await);
        match acceptor.accept(io).into_fallible().await {
            Ok(stream) => {
                if self.http2_only {
                    agreed_on_http2(stream.get_ref().1.alpn_protocol())?;
                }
                Ok(stream)
            }
            Err((error, io)) => {
                if tls_error(&error).is_some() {
                    linger(io).await;
                }
                Err(self.explained(error))
            }
        }
    }

    /// An error of the list of names, with the names.
    fn explained(&self, error: io::Error) -> io::Error {
        let denied = CertificateError::ApplicationVerificationFailure.into();
        if tls_error(&error) != Some(&denied) {
            return error;
        }
        let names: Vec<String> = self.allowed.iter().map(ToString::to_string).collect();
        io::Error::new(error.kind(), NotAllowed { names: names.join(", "), source: denied })
    }
}

/// A client with a good certificate that has no name of the list.
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

/// Says that nothing more comes, and reads on until the client has said so too.
async fn linger<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO) {
    let leave = async {
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(ALERT_LINGER_BYTES_MAX), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(ALERT_LINGER_MAX, leave).await;
}

fn configuration(
    contents: &Contents,
    names: &[ClientName],
    protocols: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let (provider, mut faults) = (provider(), Vec::new());
    let roots = contents.roots(&mut faults);
    let identity = contents.identity(&provider, &mut faults);
    let built = identity.filter(|_| faults.is_empty()).and_then(|identity| {
        let clients: Arc<dyn ClientCertVerifier> = match roots {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(roots) => {
                let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
                let chain = builder.build().ok()?;
                if names.is_empty() { chain } else { Arc::new(Named { chain, names: names.to_vec() }) }
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
