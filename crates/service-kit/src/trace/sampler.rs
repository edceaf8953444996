//! The decision which traces are recorded.

use std::str::FromStr;

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler as Library, SamplingDecision, ShouldSample};

use crate::env::{Kind, Reader, Variable, WhenAbsent};

pub(super) const OTEL_TRACES_SAMPLER: Variable = Variable {
    name: "OTEL_TRACES_SAMPLER",
    kind: Kind::Text("always_on, always_off, traceidratio, or one of these after parentbased_, in any case"),
    when_absent: WhenAbsent::Means("always_on at the gateway, parentbased_always_on at the other services"),
    meaning: "Decides which traces are recorded; parentbased_ samplers follow the flag of the client.",
};
pub(super) const OTEL_TRACES_SAMPLER_ARG: Variable = Variable {
    name: "OTEL_TRACES_SAMPLER_ARG",
    kind: Kind::Text("a number from 0 to 1"),
    when_absent: WhenAbsent::Default("1"),
    meaning: "The share of traces that traceidratio records.",
};

/// Decides which traces are recorded (`OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`).
///
/// `always_on`, `always_off` and `traceidratio` (the argument is the share, 0 to 1) ignore the flag of the
/// client. `parentbased_…` follow it, and decide only where the request has no trace context.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    root: Root,
    follows_parent: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Root {
    Always,
    Never,
    Share(f64),
}

impl Default for Sampler {
    /// `parentbased_always_on`, OpenTelemetry's default: for a service that only our own services call.
    fn default() -> Self {
        Self { root: Root::Always, follows_parent: true }
    }
}

impl FromStr for Sampler {
    type Err = String;

    /// Parses a name in any case; the share of `traceidratio` is 1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_lowercase();
        let (name, follows_parent) = match text.strip_prefix("parentbased_") {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        let root = match name {
            "always_on" => Root::Always,
            "always_off" => Root::Never,
            "traceidratio" => Root::Share(1.0),
            _ => return Err(text),
        };
        Ok(Self { root, follows_parent })
    }
}

impl Sampler {
    /// `always_on`: for a service that the public calls. A client's flag could fill the collector, or hide
    /// requests.
    pub fn ignore_parent() -> Self {
        Self { root: Root::Always, follows_parent: false }
    }

    /// Reads the two variables, and ignores those that are invalid.
    pub(super) fn read(reader: &mut Reader<'_>, default: Self) -> Self {
        let sampler = reader.lenient("It is ignored", |reader| reader.value(&OTEL_TRACES_SAMPLER));
        let share = reader.lenient("It is ignored", |reader| {
            reader.value_with(&OTEL_TRACES_SAMPLER_ARG, |text| {
                text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share))
            })
        });
        let mut sampler: Self = sampler.unwrap_or(default);
        if let Root::Share(of_all) = &mut sampler.root {
            *of_all = share.unwrap_or(1.0);
        }
        sampler
    }

    /// Whether a trace is recorded; `parent` is the flag of the client, if the request has a trace context.
    pub(super) fn decide(&self, parent: Option<bool>) -> bool {
        match (&self.root, parent) {
            (_, Some(sampled)) if self.follows_parent => sampled,
            (Root::Always, _) => true,
            (Root::Never, _) => false,
            // The id is a random one, not the trace's: a client could choose one that is always recorded.
            (Root::Share(share), _) => {
                let random_id = TraceId::from(u128::from(fastrand::u64(..)));
                let sampler = Library::TraceIdRatioBased(*share);
                let result = sampler.should_sample(None, random_id, "", &SpanKind::Internal, &[], &[]);
                result.decision == SamplingDecision::RecordAndSample
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(name: &str, parent: Option<bool>) -> bool {
        name.parse::<Sampler>().unwrap().decide(parent)
    }

    #[test]
    fn only_parent_based_samplers_follow_the_flag_of_the_client() {
        for (name, without_parent, with_parent) in [
            ("always_on", true, [true, true]),
            ("always_off", false, [false, false]),
            ("traceidratio", true, [true, true]),
            ("parentbased_always_on", true, [true, false]),
            ("parentbased_always_off", false, [true, false]),
            ("parentbased_traceidratio", true, [true, false]),
            ("ParentBased_Always_OFF", false, [true, false]),
        ] {
            assert_eq!(decided(name, None), without_parent, "{name}");
            assert_eq!([decided(name, Some(true)), decided(name, Some(false))], with_parent, "{name}");
        }
    }

    #[test]
    fn a_ratio_records_about_that_share() {
        let sampler = Sampler { root: Root::Share(0.25), follows_parent: false };
        let recorded = (0..10_000).filter(|_| sampler.decide(Some(true))).count();
        assert!((2_200..2_800).contains(&recorded), "{recorded}");
        let none = Sampler { root: Root::Share(0.0), follows_parent: false };
        assert!((0..1_000).all(|_| !none.decide(None)));
    }
}
