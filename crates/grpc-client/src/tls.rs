//! TLS and mutual TLS from PEM files that may be replaced while they are in use.
//!
//! [`ClientTls`] is the client's side, [`ServerTls`] the server's. Both use TLS 1.3 and 1.2, and require
//! HTTP/2 by ALPN (`h2`, RFC 9113 §3.2). A public listener ([`ServerTls::load_public`]) accepts HTTP/1.1,
//! too.
//!
//! **Reload.** A new connection reads the files again if the last reload is [`RELOAD_INTERVAL`] ago, and
//! compares their contents. It finds overwritten and renamed files alike, and symbolic links that point
//! elsewhere (Kubernetes replaces a mounted secret in that way). Unusable contents, for instance half-written
//! files, are logged once as a warning, and the previous configuration stays in use. Open connections are not
//! affected.
//!
//! A reload runs on a thread for blocking work; the connection that started it waits at most
//! [`RELOAD_WAIT_MAX`]. A watching task would have to be stopped by its owner, and would read files for a
//! process without connections.
//!
//! Sessions are not resumed: a resumed session skips the certificate checks, so that an expired certificate
//! or one of a removed CA would still be accepted. Connections between services live long, and a handshake
//! takes a millisecond.
//!
//! The cryptography is ring's, passed explicitly: no process-wide default provider is installed or needed.

use std::{path::PathBuf, sync::Arc};

use rustls::crypto::{CryptoProvider, ring};

mod client;
mod client_name;
mod fault;
mod pem_files;
mod reload;
mod server;
mod validity;

pub use client::ClientTls;
pub use client_name::{ClientName, ClientNameError};
pub use fault::{Fault, FileRole, TlsError};
pub use pem_files::FILE_BYTES_MAX;
pub use reload::{RELOAD_INTERVAL, RELOAD_WAIT_MAX};
pub use server::{ALERT_LINGER_MAX, ClientAuth, ServerTls};
pub use validity::Validity;

/// The ALPN protocol that both sides must negotiate.
const ALPN: &[u8] = b"h2";
/// Accepted in addition by a public listener.
const ALPN_HTTP_1_1: &[u8] = b"http/1.1";

/// The PEM files of one side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Certificates of the trusted certificate authorities. `None` for the system's root certificates.
    pub ca: Option<PathBuf>,
    /// The certificate that this side presents.
    pub identity: Option<Identity>,
}

/// A certificate and its private key, in one file or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by intermediate certificates, if there are any.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Fails unless HTTP/2 was negotiated.
fn require_http2(alpn: Option<&[u8]>) -> std::io::Result<()> {
    match alpn {
        Some(ALPN) => Ok(()),
        _ => Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "the peer did not negotiate HTTP/2 (ALPN h2)",
        )),
    }
}
