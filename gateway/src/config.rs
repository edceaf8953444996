//! The configuration of the gateway, read from environment variables ([`VARIABLES`]).

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use grpc_client::tls::ServerTls;
use http::{Uri, uri::Scheme};
use service_kit::{
    env::{Declared, EnvErrors, Kind, Reader, Variable, Vars, WhenAbsent},
    process::{self, Process},
    tls::{self, TlsRole},
    trace::{self, Sampler},
    upstream::{self, UpstreamConfig, UpstreamVariables},
};

use crate::{
    auth,
    limits::{REQUEST_TIMEOUT_DEFAULT, REQUEST_TIMEOUT_MS},
    load_limits,
    pricing::{PRICE_LIST, UnitPrice},
    public_tls,
    response_layers::cors,
};

pub(crate) const ADMIN_ADDRESS: Variable = process::admin_address("127.0.0.1:9080");
const ORDER_SERVICE_URL: Variable = upstream::url("ORDER_SERVICE_URL", "Address of the Order service.");
const ORDER_SERVICE_CONFIG: Variable = upstream::service_config(
    "ORDER_SERVICE_CONFIG",
    "least_loaded; for reads at most 3 attempts, retries of UNAVAILABLE",
    "Load balancing, retries and time limits of calls to Order; replaces the default as a whole.",
);
/// The deadline of a request.
pub const REQUEST_TIMEOUT: Variable = Variable {
    name: "REQUEST_TIMEOUT_MS",
    kind: Kind::Number {
        from: *REQUEST_TIMEOUT_MS.start(),
        to: *REQUEST_TIMEOUT_MS.end(),
        unit: "milliseconds",
    },
    when_absent: WhenAbsent::DefaultNumber(REQUEST_TIMEOUT_DEFAULT.as_secs() * 1_000),
    meaning: "Deadline of a request, counted from its arrival; a client lowers it with the header Grpc-Timeout.",
};
/// The URL of the gateway.
pub const PUBLIC_URL: Variable = Variable {
    name: "PUBLIC_URL",
    kind: Kind::Text(PublicUrl::ACCEPTED),
    when_absent: WhenAbsent::Means("problem types and Location are relative"),
    meaning: "Prefix of problem types, Location and the redirect of /; a path in it is one that a proxy strips; with \
              https, responses have Strict-Transport-Security.",
};

/// The variables of the gateway.
pub const VARIABLES: &Declared<'static> = &[
    process::VARIABLES,
    &[&ADMIN_ADDRESS, &ORDER_SERVICE_URL, &ORDER_SERVICE_CONFIG, &REQUEST_TIMEOUT, &PUBLIC_URL, &PRICE_LIST],
    auth::config::VARIABLES,
    load_limits::config::VARIABLES,
    cors::VARIABLES,
    public_tls::VARIABLES,
    tls::CLIENT_VARIABLES,
    trace::OWN_VARIABLES,
    trace::SHARED_VARIABLES,
];

/// The service config of calls to Order: least-loaded balancing, and retries of reads. Placing an order is
/// retried only transparently, after an attempt that provably never ran (gRFC A6).
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

const ORDER: UpstreamVariables = UpstreamVariables {
    url: &ORDER_SERVICE_URL,
    service_config: &ORDER_SERVICE_CONFIG,
    service_config_default: ORDER_SERVICE_CONFIG_DEFAULT,
};

/// The configuration of one gateway process.
#[derive(Debug, Clone)]
pub struct Config {
    /// The configuration of every process.
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
    /// TLS, as client of Order.
    pub tls: tls::Config,
    /// `AUTH`, `AUTH_…`
    pub auth: auth::Config,
    /// `PUBLIC_TLS_…`; `None` for plain HTTP.
    pub public_tls: Option<ServerTls>,
    /// Rate limits and in-flight limit.
    pub load_limits: load_limits::Config,
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
        let tls = tls::Config::read(&mut reader, process.as_ref(), TlsRole::Client);
        let mode = process.as_ref().map(|process| process.mode);
        let order = UpstreamConfig::read(&mut reader, ORDER, mode, tls.as_ref());
        let auth = auth::Config::read(&mut reader, mode);
        let request_timeout = reader.number(&REQUEST_TIMEOUT).map(Duration::from_millis);
        let load_limits = load_limits::Config::read(&mut reader);
        let public_tls = public_tls::read(&mut reader);
        if load_limits.limits_subjects() && auth.as_ref().is_some_and(|auth| !auth.identifies_users()) {
            let what = "without tokens no request has a subject; set AUTH_…";
            reader.fault(&load_limits::config::RATE_LIMIT_PER_SUBJECT, what);
        }
        let public_url = reader.value(&PUBLIC_URL);
        let unit_price = UnitPrice::read(&mut reader, mode);
        let cors = cors::Config::read(&mut reader);
        let traces = trace::Config::read(&mut reader, "gateway", Sampler::ignore_parent());
        let required = process.zip(order).zip(tls).zip(auth).zip(cors).zip(request_timeout);
        let config = required.map(|(((((process, order), tls), auth), cors), request_timeout)| Self {
            process,
            order,
            request_timeout,
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

/// The URL of this gateway as clients see it, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

/// A text that is not a [`PublicUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an absolute http or https URL without query and fragment")]
pub struct PublicUrlError;

impl PublicUrl {
    /// The accepted values; completes the sentence "accepted: …".
    pub const ACCEPTED: &'static str =
        "an absolute http or https URL without query and fragment, https://shop.example for instance";

    /// Whether clients connect with TLS.
    pub fn is_https(&self) -> bool {
        self.0.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    }

    /// The URL, without copying it.
    pub fn text(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| PublicUrlError)?;
        let is_http = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        let has_host = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
        // `Uri` drops a fragment silently.
        if is_http && has_host && !text.contains(['?', '#']) {
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

    const REQUIRED: [(&str, &str); 5] = [
        ("APPLICATION_PORT", "8080"),
        ("ENV", "production"),
        ("ORDER_SERVICE_URL", "localhost:3000"),
        ("AUTH", "none"),
        ("PRICE_LIST", "none"),
    ];

    fn with(extra: (&str, &str)) -> Result<Config, EnvErrors> {
        with_all(&[extra])
    }

    fn with_all(extra: &[(&str, &str)]) -> Result<Config, EnvErrors> {
        Config::read(&REQUIRED.into_iter().chain(extra.iter().copied()).collect())
    }

    #[test]
    fn required_variables_suffice() {
        let config = Config::read(&REQUIRED.into_iter().collect()).unwrap();
        assert_eq!(config.process.service_address.to_string(), "0.0.0.0:8080");
        assert_eq!(config.process.admin_address.to_string(), "127.0.0.1:9080");
        assert_eq!(config.order.target.to_string(), "localhost:3000");
        assert_eq!(config.request_timeout, Duration::from_secs(10));
        assert_eq!(config.public_url, None);
    }

    #[test]
    fn every_missing_variable_gets_a_line() {
        let errors = Config::read(&Vars::default()).unwrap_err().to_string();
        for name in ["APPLICATION_PORT", "ENV", "ORDER_SERVICE_URL"] {
            assert!(
                errors.lines().any(|l| l == format!("{name} environment variable is missing.")),
                "{name}"
            );
        }
    }

    #[test]
    fn a_timeout_out_of_bounds_is_rejected() {
        for bad in ["0", "30001", "-1", "1s", "1.5"] {
            let errors = with(("REQUEST_TIMEOUT_MS", bad)).unwrap_err().to_string();
            assert!(errors.contains("REQUEST_TIMEOUT_MS") && errors.contains("from 1 to 30000"), "{errors}");
        }
        assert_eq!(with(("REQUEST_TIMEOUT_MS", "30000")).unwrap().request_timeout.as_secs(), 30);
    }

    #[test]
    fn a_trailing_slash_of_a_public_url_is_removed() {
        for (text, url) in [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example/", "https://shop.example"),
            ("http://shop.example:8080/api/", "http://shop.example:8080/api"),
        ] {
            let config = with(("PUBLIC_URL", text)).unwrap();
            assert_eq!(config.public_url.map(|url| url.to_string()).as_deref(), Some(url));
        }
    }

    #[test]
    fn unit_prices_are_required_without_a_price_list() {
        assert_eq!(with(("ENV", "development")).unwrap().unit_price, UnitPrice::Required);
        assert_eq!(with(("PRICE_LIST", "none")).unwrap().unit_price, UnitPrice::Required);
        assert_eq!(with(("PRICE_LIST", "database")).unwrap().unit_price, UnitPrice::Optional);
        let errors = with(("PRICE_LIST", "yes")).unwrap_err().to_string();
        let expected =
            "PRICE_LIST environment variable is invalid: found \"yes\"; accepted: none or database.";
        assert_eq!(errors, expected);
        let errors = with(("PRICE_LIST", "")).unwrap_err().to_string();
        let expected = "PRICE_LIST environment variable is missing: production requires the value of Order, \
                        none or database.";
        assert_eq!(errors, expected);
        let development = with_all(&[("PRICE_LIST", ""), ("ENV", "development")]);
        assert_eq!(development.unwrap().unit_price, UnitPrice::Required);
    }

    #[test]
    fn other_texts_are_not_public_urls() {
        for bad in
            ["shop.example", "/api", "ftp://a", "https://", "https://a?b", "https://a#b", "https://u:p@a"]
        {
            assert!(with(("PUBLIC_URL", bad)).unwrap_err().to_string().contains("PUBLIC_URL"), "{bad}");
        }
    }
}
