//! Configuration of the load limits.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `RATE_LIMIT_PER_ADDRESS` | requests to `/orders` that one client address may make, as `requests/seconds` | no limit |
//! | `RATE_LIMIT_PER_SUBJECT` | the same of one authenticated user | no limit |
//! | `TRUSTED_PROXIES` | comma list of networks whose word on their clients' addresses is taken | nobody |
//! | `CLIENT_ADDRESS_HEADER` | the header that they say it in, the only one that is read | `x-forwarded-for` |
//! | `REQUESTS_IN_FLIGHT_MAX` | requests that are with Order at once | [`REQUESTS_IN_FLIGHT_DEFAULT`] |
//! | `CONNECTIONS_PER_ADDRESS_MAX` | connections of one address | [`CONNECTIONS_PER_ADDRESS_DEFAULT`] |

use std::ops::RangeInclusive;

use service_kit::env::{Reader, Secrecy};

use super::{client_address::TrustedProxies, rate_limit::Rate};
use crate::limits::{
    CONNECTIONS_PER_ADDRESS_DEFAULT, CONNECTIONS_PER_ADDRESS_MAX, REQUESTS_IN_FLIGHT_DEFAULT,
    REQUESTS_IN_FLIGHT_MAX,
};

/// The limits of the public listener, and its certificate.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) per_address: Option<Rate>,
    pub(super) per_subject: Option<Rate>,
    pub(crate) proxies: TrustedProxies,
    pub(super) in_flight_max: usize,
    pub(crate) connections_per_address_max: usize,
}

impl Default for Config {
    /// What holds where no variable says otherwise.
    fn default() -> Self {
        Self {
            per_address: None,
            per_subject: None,
            proxies: TrustedProxies::default(),
            in_flight_max: REQUESTS_IN_FLIGHT_DEFAULT,
            connections_per_address_max: CONNECTIONS_PER_ADDRESS_DEFAULT,
        }
    }
}

impl Config {
    /// Whether there is a rate limit of users.
    pub(crate) fn limits_subjects(&self) -> bool {
        self.per_subject.is_some()
    }

    /// Reads the variables of the table above, and the files that they name. What is wrong with them is recorded
    /// with `reader`, and its default taken.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let per_address = reader.optional("RATE_LIMIT_PER_ADDRESS", Rate::ACCEPTED);
        let per_subject = reader.optional("RATE_LIMIT_PER_SUBJECT", Rate::ACCEPTED);
        let networks = reader.optional_with(
            "TRUSTED_PROXIES",
            TrustedProxies::ACCEPTED,
            Secrecy::Public,
            TrustedProxies::parse,
        );
        let header = reader.optional("CLIENT_ADDRESS_HEADER", "x-forwarded-for or forwarded");
        if header.is_some() && networks.is_none() {
            reader.fault("CLIENT_ADDRESS_HEADER", "without TRUSTED_PROXIES it is not read");
        }
        Self {
            per_address,
            per_subject,
            proxies: TrustedProxies::new(networks.unwrap_or_default(), header.unwrap_or_default()),
            in_flight_max: count(reader, "REQUESTS_IN_FLIGHT_MAX", REQUESTS_IN_FLIGHT_MAX)
                .unwrap_or(default.in_flight_max),
            connections_per_address_max: count(
                reader,
                "CONNECTIONS_PER_ADDRESS_MAX",
                CONNECTIONS_PER_ADDRESS_MAX,
            )
            .unwrap_or(default.connections_per_address_max),
        }
    }
}

#[cfg(test)]
impl Config {
    /// What these variables say, which must be right.
    pub(crate) fn of(vars: &[(&str, &str)]) -> Self {
        let vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars);
        let config = Self::read(&mut reader);
        reader.finish(Some(config)).unwrap()
    }
}

fn count(reader: &mut Reader<'_>, name: &str, range: RangeInclusive<usize>) -> Option<usize> {
    let accepted = format!("a whole number from {} to {}", range.start(), range.end());
    reader.optional_with(name, &accepted, Secrecy::Public, |text| {
        text.parse().ok().filter(|count| range.contains(count))
    })
}

#[cfg(test)]
mod tests {
    use service_kit::env::{EnvErrors, Vars};

    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Config, EnvErrors> {
        let vars: Vars = vars.iter().copied().collect();
        let mut reader = Reader::new(&vars);
        let config = Config::read(&mut reader);
        reader.finish(Some(config))
    }

    #[test]
    fn nothing_is_limited_by_rate_unless_that_is_asked_for() {
        let config = read(&[]).unwrap();
        assert_eq!((config.per_address, config.per_subject), (None, None));
        assert_eq!(config.in_flight_max, REQUESTS_IN_FLIGHT_DEFAULT);
        assert_eq!(config.connections_per_address_max, CONNECTIONS_PER_ADDRESS_DEFAULT);
    }

    #[test]
    fn a_whole_environment_is_read() {
        let config = read(&[
            ("RATE_LIMIT_PER_ADDRESS", "100/60"),
            ("RATE_LIMIT_PER_SUBJECT", "5/1"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("CLIENT_ADDRESS_HEADER", "Forwarded"),
            ("REQUESTS_IN_FLIGHT_MAX", "7"),
            ("CONNECTIONS_PER_ADDRESS_MAX", "8192"),
        ])
        .unwrap();
        assert_eq!(config.per_address, "100/60".parse().ok());
        assert_eq!(config.per_subject, "5/1".parse().ok());
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
            ("CONNECTIONS_PER_ADDRESS_MAX", "8193"),
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
