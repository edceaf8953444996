//! How a system is set up.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use service_kit::env::Vars;

/// How a system is set up. The default is for tests: free ports, databases that go with the system.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the database files are kept; `None` for a directory that is removed at the end.
    pub data: Option<PathBuf>,
    /// Where the services listen.
    pub ports: Ports,
    /// The databases, where they are on a server; `None` for SQLite files in `data`.
    pub databases: Option<Databases>,
    /// Variables for all three services, over what the system sets itself: `PAYMENT_CREDIT_LIMIT`, for instance.
    pub vars: Vec<(String, String)>,
}

/// Databases on a server, one of each service. `Debug` shows no URL, since they hold passwords.
#[derive(Clone)]
pub struct Databases {
    /// `DB_DRIVER`
    pub driver: &'static str,
    /// Order's `DATA_SOURCE_URL`
    pub order: String,
    /// Payment's
    pub payment: String,
}

impl fmt::Debug for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Databases").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// Ports on the loopback address; 0 is any free one. The admin listener of a service has its port + 1000
/// (gateway) or + 6000 (Order, Payment): 9080, 9000 and 9001 for the well-known ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// The gateway's.
    pub gateway: u16,
    /// Order's.
    pub order: u16,
    /// Payment's.
    pub payment: u16,
}

impl Ports {
    /// 8080, 3000 and 3001.
    pub const WELL_KNOWN: Self = Self { gateway: 8080, order: 3000, payment: 3001 };
}

impl Options {
    /// Sets a variable for all three services.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl ToString) -> Self {
        self.vars.push((name.to_owned(), value.to_string()));
        self
    }

    /// What the environment of `service` says of its database.
    pub(crate) fn database(&self, data: &Path, service: &str) -> [(&'static str, String); 2] {
        let (driver, url) = match &self.databases {
            Some(there) => {
                (there.driver, if service == "order" { &there.order } else { &there.payment }.clone())
            }
            None => ("sqlite", format!("sqlite://{}", data.join(format!("{service}.db")).display())),
        };
        [("DB_DRIVER", driver.to_owned()), ("DATA_SOURCE_URL", url)]
    }

    /// The environment of one service.
    pub(crate) fn vars_of(&self, port: u16, admin_offset: u16, own: &[(&str, String)]) -> Vars {
        let admin_port = if port == 0 { 0 } else { port.saturating_add(admin_offset) };
        let common = [
            ("APPLICATION_PORT", port.to_string()),
            ("ENV", "development".to_owned()),
            ("ADMIN_ADDRESS", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), admin_port).to_string()),
        ];
        let set = common.into_iter().chain(own.iter().cloned());
        set.map(|(name, value)| (name.to_owned(), value)).chain(self.vars.iter().cloned()).collect()
    }
}
