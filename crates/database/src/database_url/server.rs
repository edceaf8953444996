//! A database server, and the URL that sqlx reads it from.

use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::{Driver, parameters::Settings};

/// A text that is never shown. Empty where there is none.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A host name or an IPv4 address: letters, digits, `-`, `.` and `_`.
    Name(String),
    /// An IPv6 address, without a zone.
    Ipv6(Ipv6Addr),
    /// An absolute path on this machine: MySQL's socket, or the directory of PostgreSQL's.
    Socket(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ipv6(address) => write!(f, "[{address}]"),
            Self::Socket(path) => f.write_str(&encoded(path)),
        }
    }
}

/// One database of a server. `Display` shows neither its password nor its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(super) driver: Driver,
    pub(super) user: String,
    pub(super) password: Password,
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) settings: Settings,
}

impl Server {
    /// The URL from which sqlx makes what was configured. It holds the password: never show it.
    pub(crate) fn url(&self) -> String {
        // A name for the parts of a URL and a certificate to go by, where something else says what is dialled.
        let host = match self.host {
            Host::Socket(_) => "localhost".to_owned(),
            // That of no server (RFC 6761 §6.4): sqlx wants a name for TLS even where it checks none.
            _ if self.relayed().is_some() => "relayed.invalid".to_owned(),
            _ => self.host.to_string(),
        };
        // MySQL takes an empty password for a wrong one.
        let password = Some(encoded(&self.password.0)).filter(|password| !password.is_empty());
        let mut url = format!(
            "{}://{}{}@{host}:{}/{}",
            self.driver.name(),
            encoded(&self.user),
            password.map(|password| format!(":{password}")).unwrap_or_default(),
            self.port,
            encoded(&self.database)
        );
        let mut separator = '?';
        for (name, value) in self.parameters() {
            url.push_str(&format!("{separator}{name}={}", encoded(&value)));
            separator = '&';
        }
        url
    }

    /// The address of a server that sqlx cannot dial (see `relay`); `None` where it can.
    pub(crate) fn relayed(&self) -> Option<SocketAddr> {
        match (&self.host, self.driver) {
            (Host::Ipv6(address), Driver::MySql) => Some((*address, self.port).into()),
            _ => None,
        }
    }

    /// How long connecting may take; `None` where the configuration does not limit it.
    pub(crate) fn connect_timeout(&self) -> Option<Duration> {
        self.settings.connect_timeout
    }

    /// How long the server's answer may take; `None` where the configuration does not limit it.
    pub(crate) fn io_timeout(&self) -> Option<Duration> {
        self.settings.io_timeout
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = self.settings.passed_on.clone();
        match (&self.host, self.driver) {
            (Host::Socket(path), Driver::Postgres) => parameters.push(("host", path.clone())),
            (Host::Socket(path), _) => parameters.push(("socket", path.clone())),
            // The resolver knows no brackets.
            (Host::Ipv6(address), Driver::Postgres) => parameters.push(("host", address.to_string())),
            (Host::Ipv6(_) | Host::Name(_), _) => {}
        }
        if self.driver == Driver::Postgres && self.password.0.is_empty() {
            // Or sqlx would take one from PGPASSWORD or a passfile, of which the configuration says nothing.
            parameters.push(("password", String::new()));
        }
        parameters
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, database) = (encoded(&self.user), encoded(&self.database));
        write!(f, "{}://{user}@{}:{}/{database}", self.driver.name(), self.host, self.port)
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The text with every byte escaped but RFC 3986's unreserved ones (§2.3), so that no part of a URL ends in it.
fn encoded(text: &str) -> String {
    let mut url = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte.into()),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}
