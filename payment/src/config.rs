//! The configuration of the Payment service, read from environment variables ([`VARIABLES`]).

use service_kit::{
    env::{Declared, EnvErrors, Kind, Reader, Variable, Vars, WhenAbsent},
    process::{self, Process},
    tls::{self, TlsRole},
    trace::{self, Sampler},
};

use crate::domain::CreditLimit;

pub(crate) const ADMIN_ADDRESS: Variable = process::admin_address("127.0.0.1:9001");
/// The credit limit of new accounts.
pub const PAYMENT_CREDIT_LIMIT: Variable = Variable {
    name: "PAYMENT_CREDIT_LIMIT",
    kind: Kind::Text(CreditLimit::ACCEPTED),
    when_absent: WhenAbsent::Default("1000"),
    meaning: "Credit limit of a new account, in major units of its currency; fractions of the minor unit are dropped.",
};

/// The variables of the Payment service.
pub const VARIABLES: &Declared<'static> = &[
    process::VARIABLES,
    &[&ADMIN_ADDRESS],
    database::VARIABLES,
    &[&PAYMENT_CREDIT_LIMIT],
    tls::VARIABLES,
    trace::OWN_VARIABLES,
    trace::SHARED_VARIABLES,
    #[cfg(feature = "fault-injection")]
    &[&service_kit::fault_injection::FAULT_INJECTION],
];

/// The configuration of one Payment process.
#[derive(Debug, Clone)]
pub struct Config {
    /// The configuration of every process.
    pub process: Process,
    /// The database of payments.
    pub database: database::Config,
    /// The credit limit of new accounts.
    pub credit_limit: CreditLimit,
    /// TLS, as server.
    pub tls: tls::Config,
    /// The sampling and export of traces.
    pub traces: trace::Config,
}

impl Config {
    /// Reads [`VARIABLES`].
    ///
    /// # Errors
    ///
    /// All missing and invalid variables.
    pub fn read(vars: &Vars) -> Result<Self, EnvErrors> {
        let mut reader = Reader::new(vars, VARIABLES);
        let process = Process::read(&mut reader, &ADMIN_ADDRESS);
        let database = database::Config::read(&mut reader, process.as_ref().map(|process| process.mode));
        #[cfg(feature = "fault-injection")]
        let database = crate::adapters::fault_injection::read(&mut reader, database);
        let credit_limit = reader.value(&PAYMENT_CREDIT_LIMIT).unwrap_or_default();
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

    const REQUIRED: [(&str, &str); 4] = [
        ("APPLICATION_PORT", "3001"),
        ("ENV", "development"),
        ("DB_DRIVER", "sqlite"),
        ("DATA_SOURCE_URL", "sqlite:///data/payment.db"),
    ];

    fn with(name: &'static str, value: &'static str) -> Result<Config, EnvErrors> {
        Config::read(&REQUIRED.into_iter().chain([(name, value)]).collect())
    }

    #[test]
    fn required_variables_suffice() {
        let config = Config::read(&REQUIRED.into_iter().collect()).unwrap();
        assert_eq!(config.process.service_address.to_string(), "127.0.0.1:3001");
        assert_eq!(config.process.admin_address.to_string(), "127.0.0.1:9001");
        assert_eq!(config.database.url.to_string(), "sqlite:///data/payment.db");
        assert_eq!(config.credit_limit, CreditLimit::default());
    }

    #[test]
    fn every_missing_variable_gets_a_line() {
        let errors = Config::read(&Vars::default()).unwrap_err().to_string();
        let missing = REQUIRED.map(|(name, _)| format!("{name} environment variable is missing."));
        assert_eq!(errors.lines().collect::<Vec<_>>(), missing);
    }

    #[test]
    fn a_credit_limit_is_an_exact_decimal() {
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
