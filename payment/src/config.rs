//! The configuration of the Payment service, read from environment variables ([`VARIABLES`]).

use service_kit::{
    env::{Declared, EnvErrors, Kind, Reader, Variable, Vars, WhenAbsent},
    grpc::{self, ConnectionAge},
    process::{self, Process},
    tls::{self, TlsRole},
    trace::{self, Sampler},
};

use crate::domain::CreditLimits;

pub(crate) const ADMIN_ADDRESS: Variable = process::admin_address("127.0.0.1:9001");
/// The [`CreditLimits`].
pub const PAYMENT_CREDIT_LIMITS: Variable = Variable {
    name: "PAYMENT_CREDIT_LIMITS",
    kind: Kind::Text(
        "a comma list of currency:limit in major units, USD:1000,EUR:999.50,JPY:150000 for instance",
    ),
    when_absent: WhenAbsent::Means(CreditLimits::DEFAULT),
    meaning: "Accepted currencies, each with the credit limit of a new account; other currencies are declined.",
};
/// [`PAYMENT_CREDIT_LIMITS`] with USD alone.
pub const PAYMENT_CREDIT_LIMIT: Variable = Variable {
    name: "PAYMENT_CREDIT_LIMIT",
    kind: Kind::Text("an amount of US dollars with at most 2 decimals, 1000 for instance"),
    when_absent: WhenAbsent::Means("PAYMENT_CREDIT_LIMITS"),
    meaning: "Short for PAYMENT_CREDIT_LIMITS with this limit in USD as its only entry; not with it.",
};

/// The variables of the Payment service.
pub const VARIABLES: &Declared<'static> = &[
    process::VARIABLES,
    &[&ADMIN_ADDRESS],
    grpc::VARIABLES,
    database::VARIABLES,
    &[&PAYMENT_CREDIT_LIMITS, &PAYMENT_CREDIT_LIMIT],
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
    /// `PAYMENT_CREDIT_LIMITS`, `PAYMENT_CREDIT_LIMIT`
    pub credit_limits: CreditLimits,
    /// TLS, as server.
    pub tls: tls::Config,
    /// The age of the server's connections.
    pub connection_age: ConnectionAge,
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
        let credit_limits = read_credit_limits(&mut reader);
        let tls = tls::Config::read(&mut reader, process.as_ref(), TlsRole::Server);
        let connection_age = ConnectionAge::read(&mut reader);
        let traces = trace::Config::read(&mut reader, "payment", Sampler::default());
        let built = match (process, database, credit_limits, tls, connection_age) {
            (Some(process), Some(database), Some(credit_limits), Some(tls), Some(connection_age)) => {
                Some(Self { process, database, credit_limits, tls, connection_age, traces })
            }
            _ => None,
        };
        reader.finish(built)
    }
}

fn read_credit_limits(reader: &mut Reader<'_>) -> Option<CreditLimits> {
    let table = reader.value_explained(&PAYMENT_CREDIT_LIMITS);
    let dollars = reader.value_with(&PAYMENT_CREDIT_LIMIT, |text| CreditLimits::of_dollars(text).ok());
    match (reader.is_set(&PAYMENT_CREDIT_LIMITS), reader.is_set(&PAYMENT_CREDIT_LIMIT)) {
        (true, true) => {
            let what = "PAYMENT_CREDIT_LIMITS is set too; accepted: one of them";
            reader.fault(&PAYMENT_CREDIT_LIMIT, what);
            None
        }
        (true, false) => table,
        (false, true) => dollars,
        (false, false) => CreditLimits::DEFAULT.parse().ok(),
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
        assert_eq!(config.credit_limits, CreditLimits::DEFAULT.parse().unwrap());
    }

    #[test]
    fn every_missing_variable_gets_a_line() {
        let errors = Config::read(&Vars::default()).unwrap_err().to_string();
        let missing = REQUIRED.map(|(name, _)| format!("{name} environment variable is missing."));
        assert_eq!(errors.lines().collect::<Vec<_>>(), missing);
    }

    #[test]
    fn credit_limits_are_a_table_by_currency() {
        let limits = with("PAYMENT_CREDIT_LIMITS", "CHF:20.05,KWD:1.001").unwrap().credit_limits;
        assert_eq!(limits.to_string(), "CHF:20.05,KWD:1.001");
        let limits = with("PAYMENT_CREDIT_LIMIT", "1000000.5").unwrap().credit_limits;
        assert_eq!(limits.to_string(), "USD:1000000.50");
        for (bad, reason) in [
            ("1000", "is not a currency and a limit"),
            ("BGN:1000", "\"BGN\" is not the code of a currency in use."),
            ("JPY:0.5", "the limit of JPY must have no more than 0 decimals, as JPY has."),
            ("USD:1,USD:1", "USD has two limits."),
        ] {
            let errors = with("PAYMENT_CREDIT_LIMITS", bad).unwrap_err().to_string();
            let start = format!("PAYMENT_CREDIT_LIMITS environment variable is invalid: found {bad:?}");
            assert!(errors.starts_with(&start) && errors.contains(reason), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
        }
        for bad in ["-1", "much", "1e99", "0.001", "USD:1"] {
            let errors = with("PAYMENT_CREDIT_LIMIT", bad).unwrap_err().to_string();
            assert!(errors.starts_with("PAYMENT_CREDIT_LIMIT environment variable is invalid"), "{errors}");
            assert!(errors.contains(bad) && errors.contains("an amount of US dollars"), "{errors}");
        }
    }

    #[test]
    fn the_table_and_its_short_form_exclude_each_other() {
        let both = [("PAYMENT_CREDIT_LIMITS", "USD:1"), ("PAYMENT_CREDIT_LIMIT", "1")];
        let errors = Config::read(&REQUIRED.into_iter().chain(both).collect()).unwrap_err().to_string();
        let want = "PAYMENT_CREDIT_LIMIT environment variable is invalid: PAYMENT_CREDIT_LIMITS is set too; \
                    accepted: one of them.";
        assert_eq!(errors, want);
    }

    #[test]
    fn a_database_url_is_never_shown() {
        let errors =
            with("DATA_SOURCE_URL", "mysql://root:hunter2@localhost/payment").unwrap_err().to_string();
        assert!(errors.contains("DATA_SOURCE_URL") && !errors.contains("hunter2"), "{errors}");
    }
}
