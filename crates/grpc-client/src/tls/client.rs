//! The calling side of TLS.

use std::{fmt, io};

use rustls::{ClientConfig, RootCertStore, client::Resumption};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    ALPN, Files, TlsError, agreed_on_http2, contents::Contents, fault::Fault, provider, reload::Reloading,
};

/// How a client makes a connection secure: whom it trusts, and what it shows of itself. Clones share one
/// configuration.
#[derive(Clone)]
pub struct ClientTls(Reloading<ClientConfig>);

impl ClientTls {
    /// Reads `files`. Without a CA file, the authorities that the system trusts are read too, once.
    ///
    /// Blocks for as long as reading takes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the files; or that the system trusts no authority.
    pub fn load(files: Files) -> Result<Self, TlsError> {
        let system = if files.ca.is_none() { Some(system_roots()?) } else { None };
        Reloading::load(files, move |contents| configuration(contents, system.as_ref())).map(Self)
    }

    /// Makes `io` secure, or fails. `server_name` is a DNS name or an IP address, in brackets or not; the server's
    /// certificate must be valid for it. How long this may take is the caller's to bound.
    ///
    /// Under TLS 1.3 a server judges the client's certificate only after this has returned: one that refuses it is
    /// heard of by the first read.
    ///
    /// # Errors
    ///
    /// A name that is none, whatever `io` fails with, and a peer that is not trusted or did not agree on HTTP/2. What
    /// TLS itself found wrong is a [`rustls::Error`] within.
    pub async fn connect<IO>(&self, server_name: &str, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let name = parse_name(server_name)?;
        let connector = TlsConnector::from(self.0.current().await);
        let stream = connector.connect(name, io).await?;
        agreed_on_http2(stream.get_ref().1.alpn_protocol())?;
        Ok(stream)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(self.0.files()).finish()
    }
}

fn parse_name(text: &str) -> io::Result<ServerName<'static>> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{text:?} is neither a DNS name nor an IP address"),
        )
    })
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Stores hold roots that no library takes any more; what is left is what is trusted.
    roots.add_parsable_certificates(found.certs);
    let faults = match found.errors.first() {
        _ if !roots.is_empty() => Vec::new(),
        Some(error) => vec![Fault::of_system(error.to_string())],
        None => vec![Fault::of_system("there are none")],
    };
    TlsError::unless(faults, Some(roots))
}

fn configuration(contents: &Contents, system: Option<&RootCertStore>) -> Result<ClientConfig, TlsError> {
    let (provider, mut faults) = (provider(), Vec::new());
    let roots = contents.roots(&mut faults).or_else(|| system.cloned());
    let identity = contents.identity(&provider, &mut faults);
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
