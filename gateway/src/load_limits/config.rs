//! Configuration of the load limits, read from environment variables ([`VARIABLES`]).

use std::time::Duration;

use service_kit::env::{Kind, Reader, Variable, WhenAbsent};

use super::{client_address::TrustedProxies, rate_limit::Rate};
use crate::limits::{
    CONNECTIONS_PER_ADDRESS_DEFAULT, CONNECTIONS_PER_ADDRESS_MAX, KEEP_ALIVE_DEFAULT, KEEP_ALIVE_SECONDS,
    REQUESTS_DEFAULT, REQUESTS_IN_FLIGHT_DEFAULT, REQUESTS_IN_FLIGHT_MAX, REQUESTS_MAX,
    REQUESTS_PER_ADDRESS_DEFAULT, STREAMS_PER_CONNECTION_DEFAULT, STREAMS_PER_CONNECTION_MAX,
};

const RATE_LIMIT_PER_ADDRESS: Variable = Variable {
    name: "RATE_LIMIT_PER_ADDRESS",
    kind: Kind::Text(Rate::ACCEPTED),
    when_absent: WhenAbsent::Means("no limit"),
    meaning: "Limit of requests to /orders of one client address.",
};
pub(crate) const RATE_LIMIT_PER_SUBJECT: Variable = Variable {
    name: "RATE_LIMIT_PER_SUBJECT",
    kind: Kind::Text(Rate::ACCEPTED),
    when_absent: WhenAbsent::Means("no limit"),
    meaning: "Limit of requests to /orders of one authenticated user.",
};
const TRUSTED_PROXIES: Variable = Variable {
    name: "TRUSTED_PROXIES",
    kind: Kind::Text(TrustedProxies::ACCEPTED),
    when_absent: WhenAbsent::Means("none: the client address is that of the connection"),
    meaning: "Networks of proxies whose header with the client address is trusted.",
};
const CLIENT_ADDRESS_HEADER: Variable = Variable {
    name: "CLIENT_ADDRESS_HEADER",
    kind: Kind::Text("x-forwarded-for or forwarded"),
    when_absent: WhenAbsent::Means("x-forwarded-for"),
    meaning: "The header with the client address; others are ignored. Requires TRUSTED_PROXIES.",
};
const IN_FLIGHT_MAX: Variable = Variable {
    name: "REQUESTS_IN_FLIGHT_MAX",
    kind: Kind::Number {
        from: *REQUESTS_IN_FLIGHT_MAX.start() as u64,
        to: *REQUESTS_IN_FLIGHT_MAX.end() as u64,
        unit: "",
    },
    when_absent: WhenAbsent::DefaultNumber(REQUESTS_IN_FLIGHT_DEFAULT as u64),
    meaning: "Limit of requests that wait for Order at once; further ones get 503.",
};
const OPEN_MAX: Variable = Variable {
    name: "REQUESTS_MAX",
    kind: Kind::Number { from: *REQUESTS_MAX.start() as u64, to: *REQUESTS_MAX.end() as u64, unit: "" },
    when_absent: WhenAbsent::Means("4096, or REQUESTS_IN_FLIGHT_MAX if that is more"),
    meaning: "Limit of requests between their head and their response; further ones get 503.",
};
const OPEN_PER_ADDRESS_MAX: Variable = Variable {
    name: "REQUESTS_PER_ADDRESS_MAX",
    kind: Kind::Number { from: *REQUESTS_MAX.start() as u64, to: *REQUESTS_MAX.end() as u64, unit: "" },
    when_absent: WhenAbsent::DefaultNumber(REQUESTS_PER_ADDRESS_DEFAULT as u64),
    meaning: "The same limit for one client address.",
};
const PER_ADDRESS_MAX: Variable = Variable {
    name: "CONNECTIONS_PER_ADDRESS_MAX",
    kind: Kind::Number {
        from: *CONNECTIONS_PER_ADDRESS_MAX.start() as u64,
        to: *CONNECTIONS_PER_ADDRESS_MAX.end() as u64,
        unit: "",
    },
    when_absent: WhenAbsent::DefaultNumber(CONNECTIONS_PER_ADDRESS_DEFAULT as u64),
    meaning: "Limit of connections of one client address.",
};
const STREAMS_MAX: Variable = Variable {
    name: "STREAMS_PER_CONNECTION_MAX",
    kind: Kind::Number {
        from: *STREAMS_PER_CONNECTION_MAX.start() as u64,
        to: *STREAMS_PER_CONNECTION_MAX.end() as u64,
        unit: "",
    },
    when_absent: WhenAbsent::DefaultNumber(STREAMS_PER_CONNECTION_DEFAULT as u64),
    meaning: "Limit of concurrent streams of one HTTP/2 connection.",
};
const KEEP_ALIVE: Variable = Variable {
    name: "KEEP_ALIVE_SECONDS",
    kind: Kind::Number { from: *KEEP_ALIVE_SECONDS.start(), to: *KEEP_ALIVE_SECONDS.end(), unit: "seconds" },
    when_absent: WhenAbsent::DefaultNumber(KEEP_ALIVE_DEFAULT.as_secs()),
    meaning: "How long a connection may be idle between requests; more than a load balancer's own bound.",
};

/// The variables of limits.
pub const VARIABLES: &[&Variable] = &[
    &RATE_LIMIT_PER_ADDRESS,
    &RATE_LIMIT_PER_SUBJECT,
    &TRUSTED_PROXIES,
    &CLIENT_ADDRESS_HEADER,
    &IN_FLIGHT_MAX,
    &OPEN_MAX,
    &OPEN_PER_ADDRESS_MAX,
    &PER_ADDRESS_MAX,
    &STREAMS_MAX,
    &KEEP_ALIVE,
];

/// The load limits of the public listener.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) per_address: Option<Rate>,
    pub(super) per_subject: Option<Rate>,
    pub(crate) proxies: TrustedProxies,
    pub(super) in_flight_max: usize,
    pub(super) open_max: usize,
    pub(super) open_per_address_max: usize,
    pub(crate) connections_per_address_max: usize,
    pub(crate) streams_per_connection_max: u32,
    /// How long an HTTP/1.1 connection may be idle.
    pub(crate) keep_alive: Duration,
}

impl Default for Config {
    /// The configuration without variables.
    fn default() -> Self {
        Self {
            per_address: None,
            per_subject: None,
            proxies: TrustedProxies::default(),
            in_flight_max: REQUESTS_IN_FLIGHT_DEFAULT,
            open_max: REQUESTS_DEFAULT,
            open_per_address_max: REQUESTS_PER_ADDRESS_DEFAULT,
            connections_per_address_max: CONNECTIONS_PER_ADDRESS_DEFAULT,
            streams_per_connection_max: STREAMS_PER_CONNECTION_DEFAULT,
            keep_alive: KEEP_ALIVE_DEFAULT,
        }
    }
}

impl Config {
    /// Whether requests of a user are rate limited.
    pub(crate) fn limits_subjects(&self) -> bool {
        self.per_subject.is_some()
    }

    /// Reads the variables. A faulty variable is recorded in `reader`, and its default used.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let networks = reader.value_with(&TRUSTED_PROXIES, TrustedProxies::parse);
        let header = reader.value(&CLIENT_ADDRESS_HEADER);
        if header.is_some() && networks.is_none() {
            reader.fault(&CLIENT_ADDRESS_HEADER, "without TRUSTED_PROXIES it is ignored");
        }
        let in_flight_max = reader.number(&IN_FLIGHT_MAX).unwrap_or(default.in_flight_max);
        Self {
            per_address: reader.value(&RATE_LIMIT_PER_ADDRESS),
            per_subject: reader.value(&RATE_LIMIT_PER_SUBJECT),
            proxies: TrustedProxies::new(networks.unwrap_or_default(), header.unwrap_or_default()),
            in_flight_max,
            open_max: reader.number(&OPEN_MAX).unwrap_or_else(|| default.open_max.max(in_flight_max)),
            open_per_address_max: reader
                .number(&OPEN_PER_ADDRESS_MAX)
                .unwrap_or(default.open_per_address_max),
            connections_per_address_max: reader
                .number(&PER_ADDRESS_MAX)
                .unwrap_or(default.connections_per_address_max),
            streams_per_connection_max: reader
                .number(&STREAMS_MAX)
                .unwrap_or(default.streams_per_connection_max),
            keep_alive: reader.number(&KEEP_ALIVE).map_or(default.keep_alive, Duration::from_secs),
        }
    }
}

#[cfg(test)]
impl Config {
    /// The configuration of valid variables.
    pub(crate) fn of(vars: &[(&str, &str)]) -> Self {
        let vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars, &[VARIABLES]);
        let config = Self::read(&mut reader);
        reader.finish(Some(config)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use service_kit::env::{EnvErrors, Vars};

    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Config, EnvErrors> {
        let vars: Vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars, &[VARIABLES]);
        let config = Config::read(&mut reader);
        reader.finish(Some(config))
    }

    #[test]
    fn there_are_no_rate_limits_by_default() {
        let config = read(&[]).unwrap();
        assert_eq!((config.per_address, config.per_subject), (None, None));
        assert_eq!(config.in_flight_max, REQUESTS_IN_FLIGHT_DEFAULT);
        assert_eq!((config.open_max, config.open_per_address_max), (4_096, 1_024));
        assert_eq!(config.connections_per_address_max, CONNECTIONS_PER_ADDRESS_DEFAULT);
        assert_eq!((config.streams_per_connection_max, config.keep_alive), (100, Duration::from_secs(75)));
        assert_eq!(read(&[("REQUESTS_IN_FLIGHT_MAX", "9000")]).unwrap().open_max, 9_000);
    }

    #[test]
    fn all_variables_are_read() {
        let config = read(&[
            ("RATE_LIMIT_PER_ADDRESS", "100/60"),
            ("RATE_LIMIT_PER_SUBJECT", "5/1"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("CLIENT_ADDRESS_HEADER", "Forwarded"),
            ("REQUESTS_IN_FLIGHT_MAX", "7"),
            ("REQUESTS_MAX", "100"),
            ("REQUESTS_PER_ADDRESS_MAX", "10"),
            ("CONNECTIONS_PER_ADDRESS_MAX", "8192"),
            ("STREAMS_PER_CONNECTION_MAX", "1000"),
            ("KEEP_ALIVE_SECONDS", "620"),
        ])
        .unwrap();
        assert_eq!(config.per_address, "100/60".parse().ok());
        assert_eq!(config.per_subject, "5/1".parse().ok());
        assert_eq!((config.open_max, config.open_per_address_max), (100, 10));
        assert_eq!((config.streams_per_connection_max, config.keep_alive), (1000, Duration::from_secs(620)));
        assert_eq!((config.in_flight_max, config.connections_per_address_max), (7, 8192));
        assert!(config.proxies.trusts("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn each_fault_names_its_variable_and_what_is_accepted() {
        for (name, bad) in [
            ("RATE_LIMIT_PER_ADDRESS", "100"),
            ("RATE_LIMIT_PER_ADDRESS", "0/60"),
            ("RATE_LIMIT_PER_SUBJECT", "100/0"),
            ("RATE_LIMIT_PER_SUBJECT", "100/86401"),
            ("RATE_LIMIT_PER_SUBJECT", "1000001/60"),
            ("RATE_LIMIT_PER_SUBJECT", "-1/60"),
            ("RATE_LIMIT_PER_SUBJECT", "1/60s"),
            ("TRUSTED_PROXIES", "10.0.0.0/33"),
            ("TRUSTED_PROXIES", "proxy.example"),
            ("TRUSTED_PROXIES", "10.0.0.1,"),
            ("CLIENT_ADDRESS_HEADER", "x-real-ip"),
            ("REQUESTS_IN_FLIGHT_MAX", "0"),
            ("REQUESTS_MAX", "0"),
            ("REQUESTS_PER_ADDRESS_MAX", "many"),
            ("CONNECTIONS_PER_ADDRESS_MAX", "8193"),
            ("STREAMS_PER_CONNECTION_MAX", "0"),
            ("KEEP_ALIVE_SECONDS", "621"),
        ] {
            let errors = read(&[(name, bad)]).unwrap_err().to_string();
            assert!(
                errors.starts_with(name) && errors.contains(&format!("found {bad:?}; accepted: ")),
                "{errors}"
            );
        }
        let errors = read(&[("CLIENT_ADDRESS_HEADER", "forwarded")]).unwrap_err().to_string();
        assert!(errors.contains("without TRUSTED_PROXIES"), "{errors}");
    }
}
