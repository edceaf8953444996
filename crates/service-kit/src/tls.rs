//! TLS between services, configured by the environment ([`VARIABLES`]), and the conditions for plain text.
//!
//! Production accepts plain text off loopback only with `TLS=none`; [`Config::log_warnings`] then logs it.
//! Development always accepts it. The process reloads the files when they change ([`grpc_client::tls`]).

mod certificates;

use std::path::PathBuf;

use grpc_client::tls::{
    ClientAuth, ClientName, ClientTls, Fault, FileRole, Files, Identity, ServerTls, TlsError,
};

use crate::{
    admin::Readiness,
    env::{Kind, Mode, Reader, Variable, WhenAbsent},
    process::Process,
};

pub use certificates::register_certificates;

const TLS: Variable = Variable {
    name: "TLS",
    kind: Kind::Text("none"),
    when_absent: WhenAbsent::Means("TLS is required off loopback in production"),
    meaning: "The value none lets production serve and call other services in plain text off loopback.",
};
const CERT_FILE: Variable = Variable {
    name: "TLS_CERT_FILE",
    kind: Kind::Text(PEM_FILE),
    when_absent: WhenAbsent::Means("plain text"),
    meaning: "Certificate chain that the process presents to other services, as client and as server; requires \
              TLS_KEY_FILE.",
};
const KEY_FILE: Variable = Variable {
    name: "TLS_KEY_FILE",
    kind: Kind::Text(PEM_FILE),
    when_absent: WhenAbsent::Means("plain text"),
    meaning: "Private key of TLS_CERT_FILE.",
};
const CA_FILE: Variable = Variable {
    name: "TLS_CA_FILE",
    kind: Kind::Text(PEM_FILE),
    when_absent: WhenAbsent::Means("the authorities of the system; no client certificate is required"),
    meaning: "Certificate authorities that the process trusts for other services; a server then requires a client \
              certificate.",
};
const CLIENTS: Variable = Variable {
    name: "TLS_CLIENTS",
    kind: Kind::Text("a comma list, of each a DNS name or a URI, spiffe://example.org/billing for instance"),
    when_absent: WhenAbsent::Means("any client with a certificate of TLS_CA_FILE"),
    meaning: "Names of which a client certificate must hold one; requires TLS_CERT_FILE and TLS_CA_FILE.",
};
const PEM_FILE: &str = "the path of a PEM file";

/// The variables of [`TlsRole::Client`].
pub const CLIENT_VARIABLES: &[&Variable] = &[&TLS, &CERT_FILE, &KEY_FILE, &CA_FILE];
/// The variables of the other roles.
pub const VARIABLES: &[&Variable] = &[&TLS, &CERT_FILE, &KEY_FILE, &CA_FILE, &CLIENTS];

/// The role of a process in connections between services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRole {
    /// It calls services, and no service calls it.
    Client,
    /// Services call it, and it calls none.
    Server,
    /// Both.
    Both,
}

/// The TLS settings of connections between services.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// For connections to other services; `None` where no file is configured.
    pub client: Option<ClientTls>,
    /// For connections from other services; `None` for plain text.
    pub server: Option<ServerTls>,
    /// Whether `TLS=none` accepts plain text off loopback.
    pub opted_out: bool,
}

impl Config {
    /// Reads the variables of `role` and the files that they name. `process` is `None` where reading it
    /// recorded a fault. Returns `None` where a fault was recorded, here or for `process`.
    pub fn read(reader: &mut Reader<'_>, process: Option<&Process>, role: TlsRole) -> Option<Self> {
        let opted_out = reader.value_with(&TLS, |text| (text == "none").then_some(())).is_some();
        let paths = Paths::read(reader, role)?;
        let process = process?;
        let serves_plain_text = role != TlsRole::Client && paths.identity.is_none();
        if serves_plain_text && !opted_out && process.mode == Mode::Production && is_off_loopback(process) {
            reader.missing(
                &CERT_FILE,
                &format!(
                    "production does not serve plain text off loopback, at {}; accepted: a PEM file with a \
                     certificate, or TLS=none, or a loopback BIND_ADDRESS",
                    process.service_address
                ),
            );
            return None;
        }
        let (client, server) = paths.load(reader, role)?;
        Some(Self { client, server, opted_out })
    }

    /// Returns whether the process may call the address in `variable`. Records a fault where production would
    /// call it in plain text off loopback without `TLS=none`. `plaintext_off_loopback` is whether the address
    /// implies plain text off loopback.
    pub fn require_tls(
        &self,
        reader: &mut Reader<'_>,
        mode: Mode,
        variable: &Variable,
        plaintext_off_loopback: bool,
    ) -> bool {
        let allowed = !plaintext_off_loopback || mode != Mode::Production || self.opted_out;
        if !allowed {
            reader.fault(
                variable,
                "production does not call other services off loopback in plain text; accepted: an https address, one \
                 without a scheme and TLS_CA_FILE, or TLS=none",
            );
        }
        allowed
    }

    /// Logs a warning and records the opt-out in `readiness` where `TLS=none` is set.
    pub fn log_warnings(&self, readiness: &Readiness) {
        if self.opted_out {
            tracing::warn!(
                "TLS=none: connections between services may be plain text, which the network can read and change"
            );
            readiness.record_opt_out("TLS".to_owned());
        }
    }
}

fn is_off_loopback(process: &Process) -> bool {
    !process.service_address.ip().to_canonical().is_loopback()
}

/// The paths and names in the variables.
struct Paths {
    identity: Option<Identity>,
    ca: Option<PathBuf>,
    allowed: Vec<ClientName>,
}

impl Paths {
    fn read(reader: &mut Reader<'_>, role: TlsRole) -> Option<Self> {
        let [certificate, key, ca] =
            [&CERT_FILE, &KEY_FILE, &CA_FILE].map(|variable| reader.value::<PathBuf>(variable));
        let list = |text: &str| text.split(',').map(|name| name.trim().parse().ok()).collect();
        let is_server = role != TlsRole::Client;
        let allowed: Option<Vec<ClientName>> =
            if is_server { reader.value_with(&CLIENTS, list) } else { None };
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (None, None) => None,
            (certificate, _) => {
                let (set, missing) =
                    if certificate.is_some() { (CERT_FILE, KEY_FILE) } else { (KEY_FILE, CERT_FILE) };
                reader.missing(&missing, &format!("{} has no effect without it", set.name));
                return None;
            }
        };
        // An operator who configures authorities or names means to exclude other clients.
        if allowed.is_some() && (identity.is_none() || ca.is_none()) {
            let reason = "without TLS_CERT_FILE and TLS_CA_FILE no client presents a certificate";
            reader.fault(&CLIENTS, reason);
            return None;
        }
        if role == TlsRole::Server && ca.is_some() && identity.is_none() {
            reader.fault(&CA_FILE, "without TLS_CERT_FILE no client presents a certificate");
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
            // Client and server read the same files.
            faults.extend(
                error.faults().iter().filter(|fault| !faults.contains(fault)).cloned().collect::<Vec<_>>(),
            );
        };
        let client = client.transpose().map_err(&mut note);
        let server = server.transpose().map_err(&mut note);
        for fault in &faults {
            let variable = match fault.role() {
                FileRole::Ca => &CA_FILE,
                FileRole::Certificate => &CERT_FILE,
                FileRole::Key => &KEY_FILE,
            };
            reader.fault(variable, &fault.to_string());
        }
        client.ok().zip(server.ok())
    }
}

#[cfg(test)]
mod tests;
