//! What the gateway is configured with.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `APPLICATION_PORT` | port of the public listener | required |
//! | `ENV` | `development` or `production` | required |
//! | `ORDER_SERVICE_URL` | where the Order service is ([`grpc_client::Target`]) | required |
//! | `ORDER_SERVICE_CONFIG` | how it is called ([`grpc_client::ServiceConfig`]) | [`ORDER_SERVICE_CONFIG_DEFAULT`] |
//! | `TLS_CA_FILE`, `TLS_CERT_FILE`, `TLS_KEY_FILE`, `TLS` | how the Order service is called ([`service_kit::tls`]) | none |
//! | `BIND_ADDRESS` | address of the public listener | 127.0.0.1; 0.0.0.0 in production |
//! | `ADMIN_ADDRESS` | the operators' listener | 127.0.0.1:9080 |
//! | `REQUEST_TIMEOUT_MS` | deadline of a request, counted from its arrival | 10000 |
//! | `AUTH`, `AUTH_…` | who may order ([`auth::config`]) | anyone; required in production |
//! | `PRICE_LIST` | `none`, or `database` where the Order service keeps a list ([`UnitPrice`]) | `none` |
//! | `RATE_LIMIT_…`, `TRUSTED_PROXIES`, `REQUESTS_IN_FLIGHT_MAX`, `PUBLIC_TLS_…` and others | limits and certificate of the public listener ([`load_limits::config`]) | |
//! | `PUBLIC_URL` | prefix of problem types and `Location` | none: both are relative |
//! | `CORS_…` | which scripts of other origins may read answers ([`cors`]) | none |
//! | `OTEL_…` | traces ([`trace::Config`]); whatever callers say, this gateway decides what is recorded | off |
//! | `RUST_LOG` | what is logged | `info` |

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use grpc_client::tls::ServerTls;
use http::{Uri, uri::Scheme};
use service_kit::{
    env::{EnvErrors, Reader, Secrecy, Vars},
    process::Process,
    tls::{self, TlsRole},
    trace::{self, Sampler},
    upstream::{Names, UpstreamConfig},
};

use crate::{
    auth,
    limits::{REQUEST_TIMEOUT_DEFAULT, REQUEST_TIMEOUT_MS},
    load_limits,
    pricing::UnitPrice,
    public_tls,
    response_layers::cors,
};

/// The port of `ADMIN_ADDRESS` where none is given.
pub const ADMIN_PORT_DEFAULT: u16 = 9080;

/// How the Order service is called: by load, and reads again where they could not be answered. An order is placed by
/// one attempt, or by more of which all but the last provably never ran.
pub const ORDER_SERVICE_CONFIG_DEFAULT: &str = r#"{
    "loadBalancingConfig": [{"least_loaded": {}}],
    "methodConfig": [{
        "name": [{"service": "Order", "method": "Get"}, {"service": "Order", "method": "List"}],
        "retryPolicy": {
            "maxAttempts": 3, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"], "perAttemptRecvTimeout": "2s"
        }
    }],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
}"#;

const ORDER: Names = Names {
    url: "ORDER_SERVICE_URL",
    service_config: "ORDER_SERVICE_CONFIG",
    default: ORDER_SERVICE_CONFIG_DEFAULT,
};

/// The gateway's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every process is configured with.
    pub process: Process,
    /// `ORDER_SERVICE_URL`, `ORDER_SERVICE_CONFIG`
    pub order: UpstreamConfig,
    /// `REQUEST_TIMEOUT_MS`
    pub request_timeout: Duration,
    /// `PUBLIC_URL`
    pub public_url: Option<PublicUrl>,
    /// `PRICE_LIST`
    pub unit_price: UnitPrice,
    /// `CORS_…`; `None` where scripts of other origins may not read responses.
    pub cors: Option<cors::Config>,
    /// How the Order service is called.
    pub tls: tls::Config,
    /// `AUTH`, `AUTH_…`
    pub auth: auth::Config,
    /// `PUBLIC_TLS_…`; `None` for plain HTTP.
    pub public_tls: Option<ServerTls>,
    /// Rate limits and in-flight limit.
    pub load_limits: load_limits::Config,
    /// Which traces are recorded, and where they go.
    pub traces: trace::Config,
}

impl Config {
    /// Reads the variables of the table above.
    ///
    /// # Errors
    ///
    /// A line for each that is missing or unparsable.
    pub fn read(vars: &Vars) -> Result<Self, EnvErrors> {
        let mut reader = Reader::new(vars);
        let process = Process::read(&mut reader, ADMIN_PORT_DEFAULT);
        let tls = tls::Config::read(&mut reader, process.as_ref(), TlsRole::Client);
        let mode = process.as_ref().map(|process| process.mode);
        let order = UpstreamConfig::read(&mut reader, ORDER, mode, tls.as_ref());
        let auth = auth::Config::read(&mut reader, mode);
        let accepted = format!(
            "milliseconds, a whole number from {} to {}",
            REQUEST_TIMEOUT_MS.start(),
            REQUEST_TIMEOUT_MS.end()
        );
        let timeout = reader.optional_with("REQUEST_TIMEOUT_MS", &accepted, Secrecy::Public, |text| {
            text.parse().ok().filter(|ms| REQUEST_TIMEOUT_MS.contains(ms)).map(Duration::from_millis)
        });
        let load_limits = load_limits::Config::read(&mut reader);
        let public_tls = public_tls::read(&mut reader);
        if load_limits.limits_subjects() && auth.as_ref().is_some_and(|auth| !auth.identifies_users()) {
            reader.fault("RATE_LIMIT_PER_SUBJECT", "without tokens no request has a subject; set AUTH_…");
        }
        let public_url = reader.optional("PUBLIC_URL", PublicUrl::ACCEPTED);
        let unit_price = UnitPrice::read(&mut reader);
        let cors = cors::Config::read(&mut reader);
        let traces = trace::Config::read(&mut reader, "gateway", Sampler::ignore_parent());
        let needed = process.zip(order).zip(tls).zip(auth).zip(cors).zip(traces);
        let config = needed.map(|(((((process, order), tls), auth), cors), traces)| Self {
            process,
            order,
            request_timeout: timeout.unwrap_or(REQUEST_TIMEOUT_DEFAULT),
            public_url,
            unit_price,
            cors,
            public_tls,
            tls,
            auth,
            load_limits,
            traces,
        });
        reader.finish(config)
    }
}

/// The URL that the public reaches this gateway by, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

/// A text that is no [`PublicUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an absolute http or https URL without query and fragment")]
pub struct PublicUrlError;

impl PublicUrl {
    /// What is accepted, to complete the sentence "accepted: …".
    pub const ACCEPTED: &'static str =
        "an absolute http or https URL without query and fragment, https://shop.example for instance";

    /// Whether the public comes by TLS.
    pub fn is_https(&self) -> bool {
        self.0.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    }

    /// The text, shared.
    pub fn text(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| PublicUrlError)?;
        let web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
        // The parser drops a fragment without a word.
        if web && host && !text.contains(['?', '#']) {
            Ok(Self(text.trim_end_matches('/').into()))
        } else {
            Err(PublicUrlError)
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 4] = [
        ("APPLICATION_PORT", "8080"),
        ("ENV", "production"),
        ("ORDER_SERVICE_URL", "localhost:3000"),
        ("AUTH", "none"),
    ];

    fn with(extra: (&str, &str)) -> Result<Config, EnvErrors> {
        Config::read(&NEEDED.into_iter().chain([extra]).collect())
    }

    #[test]
    fn what_is_required_is_enough() {
        let config = Config::read(&NEEDED.into_iter().collect()).unwrap();
        assert_eq!(config.process.service_address.to_string(), "0.0.0.0:8080");
        assert_eq!(config.process.admin_address.to_string(), "127.0.0.1:9080");
        assert_eq!(config.order.target.to_string(), "localhost:3000");
        assert_eq!(config.request_timeout, Duration::from_secs(10));
        assert_eq!(config.public_url, None);
    }

    #[test]
    fn every_missing_variable_has_a_line() {
        let errors = Config::read(&Vars::default()).unwrap_err().to_string();
        for name in ["APPLICATION_PORT", "ENV", "ORDER_SERVICE_URL"] {
            assert!(
                errors.lines().any(|l| l == format!("{name} environment variable is missing.")),
                "{name}"
            );
        }
    }

    #[test]
    fn a_timeout_out_of_bounds_is_refused() {
        for bad in ["0", "30001", "-1", "1s", "1.5"] {
            let errors = with(("REQUEST_TIMEOUT_MS", bad)).unwrap_err().to_string();
            assert!(errors.contains("REQUEST_TIMEOUT_MS") && errors.contains("from 1 to 30000"), "{errors}");
        }
        assert_eq!(with(("REQUEST_TIMEOUT_MS", "30000")).unwrap().request_timeout.as_secs(), 30);
    }

    #[test]
    fn a_public_url_loses_the_slash_at_its_end() {
        for (text, kept) in [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example/", "https://shop.example"),
            ("http://shop.example:8080/api/", "http://shop.example:8080/api"),
        ] {
            let config = with(("PUBLIC_URL", text)).unwrap();
            assert_eq!(config.public_url.map(|url| url.to_string()).as_deref(), Some(kept));
        }
    }

    #[test]
    fn a_client_names_each_price_unless_there_is_a_list() {
        assert_eq!(Config::read(&NEEDED.into_iter().collect()).unwrap().unit_price, UnitPrice::Required);
        assert_eq!(with(("PRICE_LIST", "none")).unwrap().unit_price, UnitPrice::Required);
        assert_eq!(with(("PRICE_LIST", "database")).unwrap().unit_price, UnitPrice::Optional);
        let errors = with(("PRICE_LIST", "yes")).unwrap_err().to_string();
        let expected =
            "PRICE_LIST environment variable is invalid: found \"yes\"; accepted: none or database.";
        assert_eq!(errors, expected);
    }

    #[test]
    fn what_is_no_public_url_is_refused() {
        for bad in
            ["shop.example", "/api", "ftp://a", "https://", "https://a?b", "https://a#b", "https://u:p@a"]
        {
            assert!(with(("PUBLIC_URL", bad)).unwrap_err().to_string().contains("PUBLIC_URL"), "{bad}");
        }
    }
}
