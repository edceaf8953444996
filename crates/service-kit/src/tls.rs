//! TLS between services, read from the environment, and when plain text will do.
//!
//! | variable | meaning |
//! |---|---|
//! | `TLS_CERT_FILE`, `TLS_KEY_FILE` | certificate and key that this process shows to its callers, and to those it calls; both or neither |
//! | `TLS_CA_FILE` | the authorities it trusts: of those it calls (else the system's), and of its callers, who must then show a certificate |
//! | `TLS_CLIENTS` | comma list of names ([`ClientName`]) of which a caller's certificate must have one |
//! | `TLS` | `none`: production serves and calls in plain text off loopback too |
//!
//! In production plain text off loopback must be asked for, with `TLS=none`; [`Config::log_warnings`] then says so. In
//! development it needs no asking. The files are followed as they change ([`grpc_client::tls`]).

use std::path::PathBuf;

use grpc_client::tls::{
    ClientAuth, ClientName, ClientTls, Fault, FileRole, Files, Identity, ServerTls, TlsError,
};

use crate::{
    admin::Readiness,
    env::{Mode, Reader, Secrecy},
    process::Process,
};

/// Which ends of TLS connections between services a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRole {
    /// It calls services, and no service calls it.
    Client,
    /// Services call it, and it calls none.
    Server,
    /// Both.
    Both,
}

/// How a process calls others, and is called.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// For calls to others; `None` where no file was named.
    pub client: Option<ClientTls>,
    /// For callers; `None` for plain text.
    pub server: Option<ServerTls>,
    /// Whether plain text off loopback was asked for.
    pub waived: bool,
}

impl Config {
    /// Reads the variables, those of `role` alone, and the files that they name. `process` is what was read
    /// before; `None` where a fault was recorded, be it here or about `process`.
    pub fn read(reader: &mut Reader<'_>, process: Option<&Process>, role: TlsRole) -> Option<Self> {
        let waived =
            reader.optional_with("TLS", "none", Secrecy::Public, |text| (text == "none").then_some(()));
        let named = Named::read(reader, role)?;
        let process = process?;
        let serves_plain = role != TlsRole::Client && named.identity.is_none();
        if serves_plain && waived.is_none() && process.mode == Mode::Production && is_off_loopback(process) {
            reader.missing(
                "TLS_CERT_FILE",
                &format!(
                    "production is not called off loopback, at {}, in plain text; accepted: a PEM file with a \
                     certificate, or TLS=none, or a loopback BIND_ADDRESS",
                    process.service_address
                ),
            );
            return None;
        }
        let (client, server) = named.load(reader, role)?;
        Some(Self { client, server, waived: waived.is_some() })
    }

    /// Whether the address in the variable `name` may be called. Records a fault where production would do that in plain
    /// text, and nobody has asked for it. `plaintext_off_loopback` is what the address says of itself.
    pub fn require_tls(
        &self,
        reader: &mut Reader<'_>,
        mode: Mode,
        name: &str,
        plaintext_off_loopback: bool,
    ) -> bool {
        let allowed = !plaintext_off_loopback || mode != Mode::Production || self.waived;
        if !allowed {
            reader.fault(
                name,
                "production calls nobody off loopback in plain text; accepted: an https address, one without a \
                 scheme and TLS_CA_FILE, or TLS=none",
            );
        }
        allowed
    }

    /// Says in the log and in `readiness` that plain text was asked for.
    pub fn log_warnings(&self, readiness: &Readiness) {
        if self.waived {
            tracing::warn!(
                "TLS=none: calls between services may be plain text, for anyone on the way to read and change"
            );
            readiness.record_opt_out("TLS".to_owned());
        }
    }
}

fn is_off_loopback(process: &Process) -> bool {
    !process.service_address.ip().to_canonical().is_loopback()
}

/// The files and names that the variables name.
struct Named {
    identity: Option<Identity>,
    ca: Option<PathBuf>,
    allowed: Vec<ClientName>,
}

impl Named {
    fn read(reader: &mut Reader<'_>, role: TlsRole) -> Option<Self> {
        let mut file = |name| reader.optional::<PathBuf>(name, "the path of a PEM file");
        let (certificate, key, ca) = (file("TLS_CERT_FILE"), file("TLS_KEY_FILE"), file("TLS_CA_FILE"));
        let called = role != TlsRole::Client;
        let accepted = format!("a comma list, of each {}", ClientName::ACCEPTED);
        let list = |text: &str| text.split(',').map(|name| name.trim().parse().ok()).collect();
        let allowed: Option<Vec<ClientName>> =
            if called { reader.optional_with("TLS_CLIENTS", &accepted, Secrecy::Public, list) } else { None };
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (None, None) => None,
            (certificate, _) => {
                let (given, other) = ("TLS_CERT_FILE", "TLS_KEY_FILE");
                let (given, other) = if certificate.is_some() { (given, other) } else { (other, given) };
                reader.missing(other, &format!("{given} means nothing without it"));
                return None;
            }
        };
        // Whoever names authorities or callers means to be called by nobody else.
        if allowed.is_some() && (identity.is_none() || ca.is_none()) {
            reader
                .fault("TLS_CLIENTS", "without TLS_CERT_FILE and TLS_CA_FILE no caller shows a certificate");
            return None;
        }
        if role == TlsRole::Server && ca.is_some() && identity.is_none() {
            reader.fault("TLS_CA_FILE", "without TLS_CERT_FILE no caller shows a certificate");
            return None;
        }
        Some(Self { identity, ca, allowed: allowed.unwrap_or_default() })
    }

    fn load(self, reader: &mut Reader<'_>, role: TlsRole) -> Option<(Option<ClientTls>, Option<ServerTls>)> {
        let Self { identity, ca, allowed } = self;
        let calls = role != TlsRole::Server && (identity.is_some() || ca.is_some());
        let client = calls.then(|| ClientTls::load(Files { ca: ca.clone(), identity: identity.clone() }));
        let server = identity.filter(|_| role != TlsRole::Client).map(|identity| {
            let clients = ca.map(|ca| ClientAuth { ca, allowed });
            ServerTls::load(identity, clients)
        });
        let mut faults: Vec<Fault> = Vec::new();
        let mut note = |error: TlsError| {
            // Both halves read the same files.
            faults.extend(
                error.faults().iter().filter(|fault| !faults.contains(fault)).cloned().collect::<Vec<_>>(),
            );
        };
        let client = client.transpose().map_err(&mut note);
        let server = server.transpose().map_err(&mut note);
        for fault in &faults {
            let name = match fault.role() {
                FileRole::Ca => "TLS_CA_FILE",
                FileRole::Certificate => "TLS_CERT_FILE",
                FileRole::Key => "TLS_KEY_FILE",
            };
            reader.fault(name, &fault.to_string());
        }
        client.ok().zip(server.ok())
    }
}

#[cfg(test)]
mod tests;
