//! The configuration of the Order service, read from environment variables ([`VARIABLES`]).

use service_kit::{
    env::{Declared, EnvErrors, Mode, Reader, Variable, Vars},
    grpc::{self, ConnectionAge},
    process::{self, Process},
    tls::{self, TlsRole},
    trace::{self, Sampler},
    upstream::{self, UpstreamConfig, UpstreamVariables},
};

mod prices;

pub use prices::{PRICE_LIST, PriceSource};

pub(crate) const ADMIN_ADDRESS: Variable = process::admin_address("127.0.0.1:9000");
const PAYMENT_SERVICE_URL: Variable = upstream::url("PAYMENT_SERVICE_URL", "Address of the Payment service.");
const PAYMENT_SERVICE_CONFIG: Variable = upstream::service_config(
    "PAYMENT_SERVICE_CONFIG",
    "least_loaded; at most 4 attempts, retries of UNAVAILABLE",
    "Load balancing, retries and time limits of calls to Payment; replaces the default as a whole.",
);

/// The variables of the Order service.
pub const VARIABLES: &Declared<'static> = &[
    process::VARIABLES,
    &[&ADMIN_ADDRESS],
    grpc::VARIABLES,
    database::VARIABLES,
    &[&PAYMENT_SERVICE_URL, &PAYMENT_SERVICE_CONFIG, &PRICE_LIST],
    tls::VARIABLES,
    trace::OWN_VARIABLES,
    trace::SHARED_VARIABLES,
    #[cfg(feature = "fault-injection")]
    &[&service_kit::fault_injection::FAULT_INJECTION],
];

/// The service config of calls to Payment: least-loaded balancing, and retries where Payment cannot be
/// reached or does not respond. All methods of Payment are idempotent: Payment's response for an order never
/// changes.
pub const PAYMENT_SERVICE_CONFIG_DEFAULT: &str = r#"{
    "loadBalancingConfig": [{"least_loaded": {}}],
    "methodConfig": [{
        "name": [{"service": "Payment"}],
        "retryPolicy": {
            "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"], "perAttemptRecvTimeout": "2s"
        }
    }],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
}"#;

const PAYMENT: UpstreamVariables = UpstreamVariables {
    url: &PAYMENT_SERVICE_URL,
    service_config: &PAYMENT_SERVICE_CONFIG,
    service_config_default: PAYMENT_SERVICE_CONFIG_DEFAULT,
};

/// The variables of commands that query Payment.
const RESOLVE_VARIABLES: &Declared<'static> =
    &[database::VARIABLES, &[&PAYMENT_SERVICE_URL, &PAYMENT_SERVICE_CONFIG], tls::VARIABLES];

/// The configuration of a command that queries Payment.
#[derive(Debug, Clone)]
pub struct ResolveConfig {
    /// The database of orders.
    pub database: database::Config,
    /// The Payment service.
    pub payment: UpstreamConfig,
    /// TLS, as client of Payment.
    pub tls: tls::Config,
}

impl ResolveConfig {
    /// Reads the variables that are named as those of the service.
    ///
    /// # Errors
    ///
    /// All missing and invalid variables.
    pub fn read(vars: &Vars) -> Result<Self, EnvErrors> {
        let mut reader = Reader::new(vars, RESOLVE_VARIABLES);
        // A command serves nothing.
        let process = Process::on_loopback(Mode::Development);
        let database = database::Config::read(&mut reader, Some(process.mode));
        let tls = tls::Config::read(&mut reader, Some(&process), TlsRole::Client);
        let payment = UpstreamConfig::read(&mut reader, PAYMENT, Some(process.mode), tls.as_ref());
        let built = match (database, payment, tls) {
            (Some(database), Some(payment), Some(tls)) => Some(Self { database, payment, tls }),
            _ => None,
        };
        reader.finish(built)
    }
}

/// The configuration of one Order process.
#[derive(Debug, Clone)]
pub struct Config {
    /// The configuration of every process.
    pub process: Process,
    /// The database of orders.
    pub database: database::Config,
    /// The Payment service.
    pub payment: UpstreamConfig,
    /// TLS, as client of Payment and as server.
    pub tls: tls::Config,
    /// `PRICE_LIST`
    pub prices: PriceSource,
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
        let tls = tls::Config::read(&mut reader, process.as_ref(), TlsRole::Both);
        let mode = process.as_ref().map(|process| process.mode);
        let payment = UpstreamConfig::read(&mut reader, PAYMENT, mode, tls.as_ref());
        let prices = PriceSource::read(&mut reader, mode);
        let connection_age = ConnectionAge::read(&mut reader);
        let traces = trace::Config::read(&mut reader, "order", Sampler::default());
        let built = match (process, database, payment, tls, connection_age) {
            (Some(process), Some(database), Some(payment), Some(tls), Some(connection_age)) => {
                Some(Self { process, database, payment, tls, prices, connection_age, traces })
            }
            _ => None,
        };
        reader.finish(built)
    }
}
