//! Variables of the process that resemble a known variable and are none: probably misspelt.

use std::fmt;

use super::Vars;

/// The names of all variables of all services, one per line: services share an environment under Compose, and
/// a variable of another service is not misspelt. Written by `UPDATE_CONFIGURATION=1 cargo test -p
/// all-in-one`.
const KNOWN: &str = include_str!("names.txt");

/// Read by the library that loads the root certificates of the system.
const READ_BY_LIBRARIES: [&str; 2] = ["SSL_CERT_DIR", "SSL_CERT_FILE"];

/// The beginnings of names that belong to this system. Any other unknown name is reported only where it is
/// [near](is_near) a known one.
const PREFIXES: [&str; 9] =
    ["AUTH_", "CORS_", "DB_", "ORDER_", "OTEL_", "PAYMENT_", "PUBLIC_", "RATE_LIMIT_", "TLS_"];

/// Shorter known names have no near ones: `PATH` is two edits away from `AUTH`.
const NEAR_LENGTH_MIN: usize = 8;
/// Edits (insertion, deletion, replacement, swap of neighbours) that a misspelt name may be away from a known
/// one.
const NEAR_EDITS_MAX: usize = 2;

/// A variable that no service reads. `Display` never shows its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// The name as it is in the environment.
    pub name: String,
    /// The known name with the fewest edits.
    pub nearest: &'static str,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} environment variable is unknown: the nearest known one is {}", self.name, self.nearest)
    }
}

impl Vars {
    /// The variables that begin as those of this system do, or are nearly spelt like one, and that no service
    /// reads.
    ///
    /// Variables that Kubernetes and Docker derive from the names of services (`ORDER_SERVICE_HOST`) are left
    /// out.
    pub fn unknown(&self) -> Vec<UnknownVariable> {
        let unknown = self.0.iter().filter(|(name, _)| KNOWN.lines().all(|known| known != *name));
        unknown
            .filter(|(name, value)| !is_service_link(name, value))
            .filter(|(name, _)| !READ_BY_LIBRARIES.contains(&name.as_str()))
            .filter_map(|(name, _)| {
                let edits = |known: &&str| strsim::osa_distance(name, known);
                let nearest = KNOWN.lines().min_by_key(edits)?;
                let is_ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || is_near(name);
                is_ours.then(|| UnknownVariable { name: name.clone(), nearest })
            })
            .collect()
    }

    /// Logs a warning for each of [`unknown`](Self::unknown), by name.
    pub fn log_unknown(&self) {
        for UnknownVariable { name, nearest } in self.unknown() {
            tracing::warn!(variable = name, nearest, "unknown environment variable has no effect");
        }
    }
}

fn is_near(name: &str) -> bool {
    let long = KNOWN.lines().filter(|known| known.len() >= NEAR_LENGTH_MIN);
    long.into_iter().any(|known| strsim::osa_distance(name, known) <= NEAR_EDITS_MAX)
}

/// Whether an orchestrator made the variable from a service's name.
///
/// - Kubernetes: `X_SERVICE_HOST`, `X_SERVICE_PORT`, `X_SERVICE_PORT_NAME`
/// - Kubernetes and Docker's links: `X_PORT=tcp://…`, `X_PORT_3000_TCP`, and that with `_ADDR`, `_PORT` or
///   `_PROTO`
/// - Docker's links: `X_NAME=/…`, `X_ENV_…`
fn is_service_link(name: &str, value: &str) -> bool {
    let has_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let has_port_number = name.split_once("_PORT_").is_some_and(|(_, rest)| {
        let (port, protocol) = rest.split_once('_').unwrap_or_default();
        let protocol = protocol.split('_').next().unwrap_or_default();
        port.parse::<u16>().is_ok() && matches!(protocol, "TCP" | "UDP" | "SCTP")
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || has_port_number
        || (name.ends_with("_PORT") && has_url)
        || (name.ends_with("_NAME") && value.starts_with('/'))
        || name.contains("_ENV_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(name: &str) -> Option<&'static str> {
        let vars = Vars::from_iter([(name, "hunter2")]);
        vars.unknown().first().map(|unknown| unknown.nearest)
    }

    #[test]
    fn misspelt_variables_are_found_with_the_nearest_known_name() {
        for (name, known) in [
            ("ORDER_SERVICE_ULR", "ORDER_SERVICE_URL"),
            ("PRICE_LST", "PRICE_LIST"),
            ("RATE_LIMIT_PER_ADRESS", "RATE_LIMIT_PER_ADDRESS"),
            ("APLICATION_PORT", "APPLICATION_PORT"),
            ("DATA_SOURCE_URL_FIEL", "DATA_SOURCE_URL_FILE"),
            ("OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ("DB_CONNECTION_COUNT", "DB_CONNECTIONS_MAX"),
        ] {
            assert_eq!(nearest(name), Some(known), "{name}");
        }
        let shown = Vars::from_iter([("PRICE_LST", "hunter2")]).unknown()[0].to_string();
        assert_eq!(shown, "PRICE_LST environment variable is unknown: the nearest known one is PRICE_LIST");
    }

    #[test]
    fn known_variables_of_any_service_are_not_reported() {
        for known in KNOWN.lines() {
            assert_eq!(nearest(known), None, "{known}");
        }
    }

    #[test]
    fn variables_of_the_system_and_of_orchestrators_are_not_reported() {
        let url = "tcp://10.0.0.11:3000";
        let vars = Vars::from_iter([
            ("PATH", "/bin"),
            ("TZ", "UTC"),
            ("HOSTNAME", "order-0"),
            ("RUST_BACKTRACE", "1"),
            ("SSL_CERT_FILE", "/etc/ssl/cert.pem"),
            ("SSL_CERT_DIR", "/etc/ssl/certs"),
            ("ORDER_SERVICE_HOST", "10.0.0.11"),
            ("ORDER_SERVICE_PORT", "3000"),
            ("ORDER_SERVICE_PORT_GRPC", "3000"),
            ("ORDER_PORT", url),
            ("ORDER_PORT_3000_TCP", url),
            ("ORDER_PORT_3000_TCP_PROTO", "tcp"),
            ("ORDER_PORT_3000_TCP_PORT", "3000"),
            ("ORDER_PORT_3000_TCP_ADDR", "10.0.0.11"),
            ("PAYMENT_HEADLESS_SERVICE_HOST", "10.0.0.12"),
            ("PAYMENT_NAME", "/order/payment"),
            ("PAYMENT_ENV_PATH", "/bin"),
        ]);
        assert_eq!(vars.unknown(), []);
    }

    #[test]
    fn a_port_that_no_orchestrator_sets_is_reported() {
        assert!(nearest("ORDER_PORT").is_some());
    }
}
