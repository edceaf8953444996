//! The age at which a connection ends (gRFC A9), so that the callers behind a balancer of connections spread
//! over new instances.

use std::time::Duration;

use crate::env::{Kind, Reader, Variable, WhenAbsent};

const GRPC_CONNECTION_LIFETIME_SECONDS: Variable = Variable {
    name: "GRPC_CONNECTION_LIFETIME_SECONDS",
    kind: Kind::Number { from: 0, to: 86_400, unit: "seconds" },
    when_absent: WhenAbsent::DefaultNumber(DEFAULT.as_secs()),
    meaning: "Lifetime of a caller's connection, with jitter of 10 %; 0 for no limit.",
};
const DEFAULT: Duration = Duration::from_secs(30 * 60);

/// The variables of every gRPC server.
pub const VARIABLES: &[&Variable] = &[&GRPC_CONNECTION_LIFETIME_SECONDS];

/// The age at which a server asks the client of a connection to open a new one. The calls in flight finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionAge(Option<Duration>);

impl Default for ConnectionAge {
    fn default() -> Self {
        Self::of(DEFAULT)
    }
}

impl ConnectionAge {
    /// A limit of `age`; none where it is zero.
    pub fn of(age: Duration) -> Self {
        Self(Some(age).filter(|age| !age.is_zero()))
    }

    /// Reads [`VARIABLES`]. `None` where a fault was recorded.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.number(&GRPC_CONNECTION_LIFETIME_SECONDS).map(Duration::from_secs).map(Self::of)
    }

    /// The age at which one connection ends: up to a tenth more or less, so that connections that were opened
    /// together end one by one. `None` for no limit.
    pub(super) fn of_connection(self) -> Option<Duration> {
        let age = self.0?;
        let tenth = age / 10;
        let jitter = u64::try_from((2 * tenth).as_nanos()).unwrap_or(u64::MAX);
        Some(age - tenth + Duration::from_nanos(fastrand::u64(..=jitter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_end_one_by_one_around_their_age() {
        let age = Duration::from_secs(100);
        let ages: Vec<_> = (0..1000).filter_map(|_| ConnectionAge::of(age).of_connection()).collect();
        assert_eq!(ages.len(), 1000);
        let (shortest, longest) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!((Duration::from_secs(90)..Duration::from_secs(95)).contains(shortest), "{shortest:?}");
        assert!((Duration::from_secs(105)..=Duration::from_secs(110)).contains(longest), "{longest:?}");
        assert_eq!(ConnectionAge::of(Duration::ZERO).of_connection(), None);
    }

    #[test]
    fn zero_means_no_limit_and_the_default_is_half_an_hour() {
        let read = |value: Option<&'static str>| {
            let vars =
                value.map(|value| (GRPC_CONNECTION_LIFETIME_SECONDS.name, value)).into_iter().collect();
            let mut reader = Reader::new(&vars, &[VARIABLES]);
            let age = ConnectionAge::read(&mut reader);
            reader.finish(age).map_err(|errors| errors.to_string())
        };
        assert_eq!(read(None).unwrap(), ConnectionAge::of(Duration::from_secs(1800)));
        assert_eq!(read(Some("0")).unwrap(), ConnectionAge(None));
        assert!(read(Some("86401")).unwrap_err().contains("from 0 to 86400"));
    }
}
