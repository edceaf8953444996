//! What Order is configured with.
//!
//! | variable | required | meaning |
//! |---|---|---|
//! | `APPLICATION_PORT` | yes | port of the service |
//! | `ENV` | yes | `development` or `production` |
//! | `DB_DRIVER` | yes | `sqlite`, `mysql` or `postgres` |
//! | `DATA_SOURCE_URL` | yes | where orders are kept ([`database::Target::parse`]) |
//! | `PAYMENT_SERVICE_URL` | yes | where Payment is, `host:port` |
//! | `DB_WAIT_SECONDS`, `DB_CONNECTIONS_MAX`, `DB_DURABILITY_WAIVED` | | how the database is used ([`database::Config`]) |
//! | `BIND_ADDRESS` | | default 127.0.0.1 in development, 0.0.0.0 in production |
//! | `ADMIN_ADDRESS` | | default 127.0.0.1:9000 |
//! | `FAIL_POINTS` | | in builds with the feature `fail-points` alone: `chassis::fail_points` |
//! | `RUST_LOG` | | what is logged, default `info` |

use channel::Address;
use chassis::{
    env::{EnvErrors, Reader, Vars},
    process::Process,
};

const ADMIN_PORT_DEFAULT: u16 = 9000;

/// The configuration of one Order process.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every process is configured with.
    pub process: Process,
    /// Where orders are kept.
    pub database: database::Config,
    /// Where Payment is.
    pub payment: Address,
}

impl Config {
    /// Reads the variables above.
    ///
    /// # Errors
    ///
    /// Every variable that is missing or cannot be used.
    pub fn read(vars: &Vars) -> Result<Self, EnvErrors> {
        let mut reader = Reader::new(vars);
        let process = Process::read(&mut reader, ADMIN_PORT_DEFAULT);
        let database = database::Config::read(&mut reader, process.as_ref().map(|process| process.mode));
        #[cfg(feature = "fail-points")]
        let database = crate::adapters::failing::read(&mut reader, database);
        let payment: Option<Address> = reader.required("PAYMENT_SERVICE_URL", Address::ACCEPTED);
        let built = match (process, database, payment) {
            (Some(process), Some(database), Some(payment)) => Some(Self { process, database, payment }),
            _ => None,
        };
        reader.finish(built)
    }
}
