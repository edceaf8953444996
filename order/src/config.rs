//! What Order is configured with.
//!
//! | variable | required | meaning |
//! |---|---|---|
//! | `APPLICATION_PORT` | yes | port of the service |
//! | `ENV` | yes | `development` or `production` |
//! | `DB_DRIVER` | yes | `sqlite`, `mysql` or `postgres` |
//! | `DATA_SOURCE_URL` | yes | where orders are kept ([`database::DatabaseUrl::parse`]) |
//! | `PAYMENT_SERVICE_URL` | yes | where Payment is ([`grpc_client::Target`]) |
//! | `PAYMENT_SERVICE_CONFIG` | | how it is called ([`grpc_client::ServiceConfig`]), instead of [`PAYMENT_SERVICE_CONFIG_DEFAULT`] |
//! | `PRICE_LIST` | | who names prices ([`PriceSource`]) |
//! | `DB_WAIT_SECONDS`, `DB_CONNECTIONS_MAX`, `DB_DURABILITY_WAIVED` | | how the database is used ([`database::Config`]) |
//! | `TLS_CERT_FILE`, `TLS_KEY_FILE`, `TLS_CA_FILE`, `TLS_CLIENTS`, `TLS` | | TLS between services ([`service_kit::tls`]) |
//! | `BIND_ADDRESS` | | default 127.0.0.1 in development, 0.0.0.0 in production |
//! | `ADMIN_ADDRESS` | | default 127.0.0.1:9000 |
//! | `FAULT_INJECTION` | | in builds with the feature `fault-injection` alone: `service_kit::fault_injection` |
//! | `OTEL_…` | | traces ([`trace::Config`]); off by default |
//! | `RUST_LOG` | | what is logged, default `info` |

use service_kit::{
    env::{EnvErrors, Reader, Vars},
    process::Process,
    tls::{self, TlsRole},
    trace::{self, Sampler},
    upstream::{Names, UpstreamConfig},
};

mod prices;

pub use prices::PriceSource;

/// The port of `ADMIN_ADDRESS` where none is given.
pub(crate) const ADMIN_PORT_DEFAULT: u16 = 9000;

/// How Payment is called: by load, and again where it could not be reached or did not answer. Every method of
/// Payment may be called any number of times: its answer for an order never changes.
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

const PAYMENT: Names = Names {
    url: "PAYMENT_SERVICE_URL",
    service_config: "PAYMENT_SERVICE_CONFIG",
    default: PAYMENT_SERVICE_CONFIG_DEFAULT,
};

/// The configuration of one Order process.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every process is configured with.
    pub process: Process,
    /// Where orders are kept.
    pub database: database::Config,
    /// Where Payment is, and how it is called.
    pub payment: UpstreamConfig,
    /// How Payment is called, and Order by its callers.
    pub tls: tls::Config,
    /// `PRICE_LIST`
    pub prices: PriceSource,
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
        let tls = tls::Config::read(&mut reader, process.as_ref(), TlsRole::Both);
        let mode = process.as_ref().map(|process| process.mode);
        let payment = UpstreamConfig::read(&mut reader, PAYMENT, mode, tls.as_ref());
        let prices = PriceSource::read(&mut reader);
        let traces = trace::Config::read(&mut reader, "order", Sampler::default());
        let built = match (process, database, payment, tls, traces) {
            (Some(process), Some(database), Some(payment), Some(tls), Some(traces)) => {
                Some(Self { process, database, payment, tls, prices, traces })
            }
            _ => None,
        };
        reader.finish(built)
    }
}
