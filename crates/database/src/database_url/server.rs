//! A database on a server, and its URL for sqlx.

use std::{fmt, net::SocketAddr, time::Duration};

use super::{
    Driver,
    address::{Host, encoded},
    parameters::Settings,
};

/// A password, possibly empty. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// One database of a server. `Display` omits the password and the parameters.
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
    /// The URL for sqlx. It contains the password.
    pub(crate) fn url(&self) -> String {
        // A placeholder host where a socket or the relay is dialled.
        let host = match self.host {
            Host::Socket(_) => "localhost".to_owned(),
            // Never resolves (RFC 6761 §6.4): sqlx requires a name for TLS even if it does not check it.
            _ if self.relayed_address().is_some() => "relayed.invalid".to_owned(),
            _ => self.host.to_string(),
        };
        // MySQL rejects an empty password where none is set.
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

    /// The address of a server that sqlx cannot dial (see `relay`).
    pub(crate) fn relayed_address(&self) -> Option<SocketAddr> {
        match (&self.host, self.driver) {
            (Host::Ipv6(address), Driver::MySql) => Some((*address, self.port).into()),
            _ => None,
        }
    }

    /// The configured time limit for connecting.
    pub(crate) fn connect_timeout(&self) -> Option<Duration> {
        self.settings.connect_timeout
    }

    /// The configured time limit for a transaction.
    pub(crate) fn io_timeout(&self) -> Option<Duration> {
        self.settings.io_timeout
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = self.settings.sqlx_parameters.clone();
        match (&self.host, self.driver) {
            (Host::Socket(path), Driver::Postgres) => parameters.push(("host", path.clone())),
            (Host::Socket(path), _) => parameters.push(("socket", path.clone())),
            // The resolver rejects brackets.
            (Host::Ipv6(address), Driver::Postgres) => parameters.push(("host", address.to_string())),
            (Host::Ipv6(_) | Host::Name(_), _) => {}
        }
        if self.driver == Driver::Postgres && self.password.0.is_empty() {
            // Without it sqlx would use PGPASSWORD or a passfile.
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
