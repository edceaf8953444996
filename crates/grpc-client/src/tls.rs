//! TLS and mutual TLS between services, from PEM files that may be replaced while they are in use.
//!
//! [`ClientTls`] is the calling side, [`ServerTls`] the called one. Both speak TLS 1.3 and 1.2, with HTTP/2 agreed
//! on by ALPN (`h2`, RFC 9113 §3.2) and nothing else; a listener for the public ([`ServerTls::load_public`]) takes HTTP/1.1 too.
//!
//! **Replacing files.** When a connection is made and the last look is [`LOOK_INTERVAL`] ago, the files are read
//! again and compared, contents with contents: a file that was overwritten, renamed over, or is reached by a symbolic
//! link that points elsewhere by now (as Kubernetes replaces a mounted secret) is taken up alike. What cannot be used
//! (half written, a key of another certificate) is warned of once, and what was in use stays in use. Connections that
//! are open stay as they are.
//!
//! The look runs on a thread for blocking work, and the connection that asks for it waits for [`LOOK_WAIT_MAX`] at
//! most. A task that watches would do as well, but would have to be stopped by somebody, and would read files
//! for a process that makes no connections.
//!
//! Sessions are not resumed: a resumed session skips the certificates, so that one which expired, or whose CA was
//! taken away, would go on being good. Connections between services live long, and a handshake takes a millisecond.
//!
//! The cryptography is ring's, named at each use: nothing is installed for the whole process, nor needed there.

use std::{path::PathBuf, sync::Arc};

use rustls::crypto::{CryptoProvider, ring};

mod client;
mod contents;
mod fault;
mod names;
mod reload;
mod server;

pub use client::ClientTls;
pub use contents::FILE_BYTES_MAX;
pub use fault::{Fault, Role, TlsError};
pub use names::{ClientName, ClientNameError};
pub use reload::{LOOK_INTERVAL, LOOK_WAIT_MAX};
pub use server::{ALERT_LINGER_MAX, Clients, ServerTls};

/// The protocol that both sides must agree on.
const ALPN: &[u8] = b"h2";
/// What the public may speak too.
const ALPN_HTTP_1_1: &[u8] = b"http/1.1";

/// The files of one side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Certificates of the authorities whose certificates are trusted. Without it, the system's.
    pub ca: Option<PathBuf>,
    /// What this side shows.
    pub identity: Option<Identity>,
}

/// A certificate and its key; both may stand in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by those between it and its authority, if there are any.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// An error unless both sides agreed on HTTP/2.
fn agreed_on_http2(alpn: Option<&[u8]>) -> std::io::Result<()> {
    match alpn {
        Some(ALPN) => Ok(()),
        _ => Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "the peer did not agree on HTTP/2 (ALPN h2)",
        )),
    }
}
