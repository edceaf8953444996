//! The options of a [`System`](crate::System).

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use service_kit::env::Vars;

/// The options of a [`System`](crate::System). The default is for tests: free ports, temporary databases.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The directory of the database files; `None` for a temporary directory.
    pub data: Option<PathBuf>,
    /// The ports of the services.
    pub ports: Ports,
    /// Databases on a server; `None` for SQLite files in `data`.
    pub databases: Option<Databases>,
    /// Variables for all three services, for instance `PAYMENT_CREDIT_LIMITS`. They override those that the
    /// system sets itself.
    pub vars: Vec<(String, String)>,
}

/// Databases on a server, one for each service. `Debug` omits the URLs, which contain passwords.
#[derive(Clone)]
pub struct Databases {
    /// `DB_DRIVER`
    pub driver: &'static str,
    /// Order's `DATA_SOURCE_URL`
    pub order: String,
    /// Payment's `DATA_SOURCE_URL`
    pub payment: String,
}

impl fmt::Debug for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Databases").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// Ports on the loopback address; 0 is any free port. The admin listener of a service has its port + 1000
/// (gateway) or + 6000 (Order, Payment): 9080, 9000 and 9001 by default on the command line.
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
    /// The defaults of the command line: 8080, 3000 and 3001.
    pub const CLI_DEFAULT: Self = Self { gateway: 8080, order: 3000, payment: 3001 };
}

impl Options {
    /// Sets a variable for all three services.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl ToString) -> Self {
        self.vars.push((name.to_owned(), value.to_string()));
        self
    }

    /// The variables that configure the database of `service`.
    pub(crate) fn database_vars(&self, data: &Path, service: &str) -> [(&'static str, String); 2] {
        let (driver, url) = match &self.databases {
            Some(Databases { driver, order, payment }) => {
                (*driver, if service == "order" { order } else { payment }.clone())
            }
            None => ("sqlite", format!("sqlite://{}", data.join(format!("{service}.db")).display())),
        };
        [("DB_DRIVER", driver.to_owned()), ("DATA_SOURCE_URL", url)]
    }

    /// The environment of one service; `service_vars` are variables of this service alone.
    pub(crate) fn vars_of(&self, port: u16, admin_offset: u16, service_vars: &[(&str, String)]) -> Vars {
        let admin_port = if port == 0 { 0 } else { port.saturating_add(admin_offset) };
        let common = [
            ("APPLICATION_PORT", port.to_string()),
            ("ENV", "development".to_owned()),
            ("ADMIN_ADDRESS", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), admin_port).to_string()),
        ];
        let set = common.into_iter().chain(service_vars.iter().cloned());
        set.map(|(name, value)| (name.to_owned(), value)).chain(self.vars.iter().cloned()).collect()
    }
}
