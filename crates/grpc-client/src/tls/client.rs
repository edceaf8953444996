//! The client's side of TLS.

use std::{fmt, io};

use rustls::{ClientConfig, RootCertStore, client::Resumption};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    ALPN, Files, TlsError,
    fault::Fault,
    pem_files::PemFiles,
    provider,
    reload::Reloadable,
    require_http2,
    validity::{Validity, log_invalid},
};

/// The TLS configuration of a client: trusted certificate authorities, and its own certificate for mutual
/// TLS. Clones share the configuration and its reloads.
#[derive(Clone)]
pub struct ClientTls(Reloadable<ClientConfig>);

impl ClientTls {
    /// Reads `files`. Without a CA file, the system's root certificates are read once.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    ///
    /// Every fault of the files; or the system has no root certificates.
    pub fn load(files: Files) -> Result<Self, TlsError> {
        let system = if files.ca.is_none() { Some(system_roots()?) } else { None };
        Reloadable::load(files, move |files| configuration(files, system.as_ref())).map(Self)
    }

    /// The validity periods of the certificates in use, as of the last reload.
    pub fn validity(&self) -> Vec<Validity> {
        self.0.validity()
    }

    /// Logs a warning for each certificate that is expired or not yet valid; a reload does it by itself.
    pub fn log_invalid(&self) {
        log_invalid(&self.validity());
    }

    /// Runs the handshake over `io`. The server's certificate must be valid for `server_name`, a DNS name or
    /// an IP address with or without brackets. Has no timeout of its own.
    ///
    /// With TLS 1.3 the server checks the client's certificate after this has returned: the first read fails
    /// if the server rejected it.
    ///
    /// # Errors
    ///
    /// An invalid `server_name`, an error of `io`, an untrusted certificate, and a server that did not
    /// negotiate HTTP/2. An error of TLS itself contains a [`rustls::Error`].
    pub async fn connect<IO>(&self, server_name: &str, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let name = parse_name(server_name)?;
        let connector = TlsConnector::from(self.0.current().await);
        let stream = connector.connect(name, io).await?;
        require_http2(stream.get_ref().1.alpn_protocol())?;
        Ok(stream)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(self.0.files()).finish()
    }
}

fn parse_name(text: &str) -> io::Result<ServerName<'static>> {
    let unbracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    ServerName::try_from(unbracketed.to_owned()).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{text:?} is neither a DNS name nor an IP address"),
        )
    })
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    // System stores contain certificates that rustls does not accept; the others are used.
    roots.add_parsable_certificates(loaded.certs);
    let faults = match loaded.errors.first() {
        _ if !roots.is_empty() => Vec::new(),
        Some(error) => vec![Fault::of_system(error.to_string())],
        None => vec![Fault::of_system("there are none")],
    };
    TlsError::unless(faults, Some(roots))
}

fn configuration(files: &PemFiles, system: Option<&RootCertStore>) -> Result<ClientConfig, TlsError> {
    let (provider, mut faults) = (provider(), Vec::new());
    let roots = files.roots(&mut faults).or_else(|| system.cloned());
    let identity = files.identity(&provider, &mut faults);
    let built = roots.and_then(|roots| {
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(identity),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Some(config)
    });
    TlsError::unless(faults, built)
}
