//! What Payment is configured with.
//!
//! | variable | required | meaning |
//! |---|---|---|
//! | `APPLICATION_PORT` | yes | port of the service |
//! | `ENV` | yes | `development` or `production` |
//! | `DB_…`, `DATA_SOURCE_URL` | | where payments are kept: [`database::Config`] |
//! | `PAYMENT_CREDIT_LIMIT` | | credit limit of new accounts, in major units of their currency; default 1000 |
//! | `TLS_CERT_FILE`, `TLS_KEY_FILE`, `TLS_CA_FILE`, `TLS_CLIENTS`, `TLS` | | TLS between services ([`service_kit::tls`]) |
//! | `BIND_ADDRESS` | | default 127.0.0.1 in development, 0.0.0.0 in production |
//! | `ADMIN_ADDRESS` | | default 127.0.0.1:9001 |
//! | `FAULT_INJECTION` | | in builds with the feature `fault-injection` alone: `service_kit::fault_injection` |
//! | `OTEL_…` | | traces ([`trace::Config`]); off by default |
//! | `RUST_LOG` | | what is logged, default `info` |

use crate::domain::CreditLimit;
use service_kit::{
    env::{EnvErrors, Reader, Vars},
    process::Process,
    tls::{self, TlsRole},
    trace::{self, Sampler},
};

/// The port of `ADMIN_ADDRESS` where none is given.
pub(crate) const ADMIN_PORT_DEFAULT: u16 = 9001;

/// The configuration of one Payment process.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every process is configured with.
    pub process: Process,
    /// Where payments are kept.
    pub database: database::Config,
    /// The credit limit of accounts that are opened.
    pub credit_limit: CreditLimit,
    /// How it is called.
    pub tls: tls::Config,
    /// Which traces are recorded, and where they go.
    pub traces: trace::Config,
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
        #[cfg(feature = "fault-injection")]
        let database = crate::adapters::fault_injection::read(&mut reader, database);
        let credit_limit = reader.optional("PAYMENT_CREDIT_LIMIT", CreditLimit::ACCEPTED).unwrap_or_default();
        let tls = tls::Config::read(&mut reader, process.as_ref(), TlsRole::Server);
        let traces = trace::Config::read(&mut reader, "payment", Sampler::default());
        let built = process.zip(database).zip(tls).zip(traces);
        reader.finish(built.map(|(((process, database), tls), traces)| Self {
            process,
            database,
            credit_limit,
            tls,
            traces,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 4] = [
        ("APPLICATION_PORT", "3001"),
        ("ENV", "development"),
        ("DB_DRIVER", "sqlite"),
        ("DATA_SOURCE_URL", "sqlite:///data/payment.db"),
    ];

    fn with(name: &'static str, value: &'static str) -> Result<Config, EnvErrors> {
        Config::read(&NEEDED.into_iter().chain([(name, value)]).collect())
    }

    #[test]
    fn what_is_required_is_enough() {
        let config = Config::read(&NEEDED.into_iter().collect()).unwrap();
        assert_eq!(config.process.service_address.to_string(), "127.0.0.1:3001");
        assert_eq!(config.process.admin_address.to_string(), "127.0.0.1:9001");
        assert_eq!(config.database.url.to_string(), "sqlite:///data/payment.db");
        assert_eq!(config.credit_limit, CreditLimit::default());
    }

    #[test]
    fn every_missing_variable_has_a_line() {
        let errors = Config::read(&Vars::default()).unwrap_err().to_string();
        let missing = NEEDED.map(|(name, _)| format!("{name} environment variable is missing."));
        assert_eq!(errors.lines().collect::<Vec<_>>(), missing);
    }

    #[test]
    fn a_limit_is_an_exact_decimal() {
        assert_eq!(
            with("PAYMENT_CREDIT_LIMIT", "1000000.5").unwrap().credit_limit,
            "1000000.5".parse().unwrap()
        );
        for bad in ["-1", "much", "1e99"] {
            let errors = with("PAYMENT_CREDIT_LIMIT", bad).unwrap_err().to_string();
            assert!(errors.starts_with("PAYMENT_CREDIT_LIMIT environment variable is invalid"), "{errors}");
            assert!(errors.contains(bad) && errors.contains("a decimal number from 0"), "{errors}");
        }
    }

    #[test]
    fn a_database_url_is_never_shown() {
        let errors =
            with("DATA_SOURCE_URL", "mysql://root:hunter2@localhost/payment").unwrap_err().to_string();
        assert!(errors.contains("DATA_SOURCE_URL") && !errors.contains("hunter2"), "{errors}");
    }
}
