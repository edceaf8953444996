//! Which traces are recorded.

use std::str::FromStr;

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler as Library, SamplingDecision, ShouldSample};

use crate::env::{Reader, Secrecy};

const ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

/// Which traces are recorded (`OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`).
///
/// `always_on`, `always_off` and `traceidratio` (the argument is the part, 0 to 1) decide by themselves, whatever a
/// caller says; `parentbased_…` do so only where there is no caller that says anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    root: Root,
    follows_parent: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Root {
    Always,
    Never,
    Part(f64),
}

impl Default for Sampler {
    /// `parentbased_always_on`, as OpenTelemetry has it: for a service whose callers are one's own.
    fn default() -> Self {
        Self { root: Root::Always, follows_parent: true }
    }
}

impl FromStr for Sampler {
    type Err = String;

    /// Reads a name; the part of `traceidratio` is 1 until it is told.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, follows_parent) = match text.strip_prefix("parentbased_") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let root = match name {
            "always_on" => Root::Always,
            "always_off" => Root::Never,
            "traceidratio" => Root::Part(1.0),
            _ => return Err(text.to_owned()),
        };
        Ok(Self { root, follows_parent })
    }
}

impl Sampler {
    /// `always_on`: for a service that strangers call, whose flags could fill a collector, or hide what they do.
    pub fn ignore_parent() -> Self {
        Self { root: Root::Always, follows_parent: false }
    }

    /// Reads the two variables. `None` where a fault was recorded.
    pub(super) fn read(reader: &mut Reader<'_>, default: Self) -> Option<Self> {
        let accepted = "always_on, always_off, traceidratio, or one of these after parentbased_";
        let sampler: Option<Self> = reader.optional_or_fault("OTEL_TRACES_SAMPLER", accepted)?;
        let mut found = false;
        let part = reader.optional_with(ARG, "a number from 0 to 1", Secrecy::Public, |text| {
            found = true;
            text.parse().ok().filter(|part| (0.0..=1.0).contains(part))
        });
        if found && part.is_none() {
            return None;
        }
        let mut sampler = sampler.unwrap_or(default);
        if let (Root::Part(of_all), Some(told)) = (&mut sampler.root, part) {
            *of_all = told;
        }
        Some(sampler)
    }

    /// Whether a trace is recorded that comes with this flag, if it comes from a caller.
    pub(super) fn decide(&self, parent: Option<bool>) -> bool {
        match (&self.root, parent) {
            (_, Some(sampled)) if self.follows_parent => sampled,
            (Root::Always, _) => true,
            (Root::Never, _) => false,
            // Drawn anew: a stranger chooses the id of a trace, and would choose one that is recorded.
            (Root::Part(part), _) => {
                let drawn = TraceId::from(u128::from(fastrand::u64(..)));
                let sampler = Library::TraceIdRatioBased(*part);
                let result = sampler.should_sample(None, drawn, "", &SpanKind::Internal, &[], &[]);
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
    fn only_a_parent_based_sampler_does_as_the_caller_says() {
        for (name, alone, called) in [
            ("always_on", true, [true, true]),
            ("always_off", false, [false, false]),
            ("traceidratio", true, [true, true]),
            ("parentbased_always_on", true, [true, false]),
            ("parentbased_always_off", false, [true, false]),
            ("parentbased_traceidratio", true, [true, false]),
        ] {
            assert_eq!(decided(name, None), alone, "{name}");
            assert_eq!([decided(name, Some(true)), decided(name, Some(false))], called, "{name}");
        }
    }

    #[test]
    fn a_part_of_all_is_about_that_part() {
        let sampler = Sampler { root: Root::Part(0.25), follows_parent: false };
        let recorded = (0..10_000).filter(|_| sampler.decide(Some(true))).count();
        assert!((2_200..2_800).contains(&recorded), "{recorded}");
        let none = Sampler { root: Root::Part(0.0), follows_parent: false };
        assert!((0..1_000).all(|_| !none.decide(None)));
    }
}
