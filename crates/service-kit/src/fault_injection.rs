//! Injected faults: a test makes a process fail at named points. Only builds with the feature
//! `fault-injection` have this module, and only tests of processes turn it on.
//!
//! `FAULT_INJECTION` is a comma list of `POINT=ACTION`. A suffix restricts the action: `@3` to the third hit,
//! `%2.5:42` to 2.5 % of all hits, chosen by the seed 42; without a suffix it applies to every hit. Of
//! several rules for one point the first that applies wins.
//!
//! | action | meaning |
//! |---|---|
//! | `kill` | SIGKILL of the own process: nothing is flushed, no connection is closed in an orderly way |
//! | `refuse` | the step is not done, and its caller knows it; only before a step |
//! | `error` | before a step: it is not done; after: it is done; its caller cannot tell which |
//! | `delay:1500` | the step takes 1,500 ms longer |
//! | `twice:300` | the step is repeated 300 ms after its end; only where a call can be delivered twice |
//!
//! A service knows the names of its points; a rule with another name is a fault of the configuration.

use std::{
    fmt,
    future::Future,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::env::{Kind, Reader, Variable, WhenAbsent};

/// The rules of injected faults.
pub const FAULT_INJECTION: Variable = Variable {
    name: "FAULT_INJECTION",
    kind: Kind::Text(
        "a comma list of POINT=ACTION[@HIT|%PERCENT:SEED], the action one of kill, refuse, error, delay:MS, \
         twice:MS, the point one of this service's",
    ),
    when_absent: WhenAbsent::Means("nothing fails"),
    meaning: "Makes the process fail at named points; only in builds for tests.",
};

/// The rules of a process. Clones share the counts of hits.
#[derive(Debug, Clone, Default)]
pub struct FaultRules(Arc<[Rule]>);

/// The fault at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The step is not done, and its caller knows it.
    Refused,
    /// The step has no response.
    NoResponse,
    /// The step is done, and once more this much later.
    Twice(Duration),
}

/// A step that can fail before and after it is done.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The point directly before the step.
    pub before: &'static str,
    /// The point directly after the step.
    pub after: &'static str,
}

impl FaultRules {
    /// Reads [`FAULT_INJECTION`]; `points` are the names that exist. A fault of the variable is recorded in
    /// `reader`.
    pub fn read(reader: &mut Reader<'_>, points: &[&str]) -> Self {
        let parse = |text: &str| {
            let rules: Vec<Rule> =
                text.split(',').map(|rule| rule.trim().parse().ok()).collect::<Option<_>>()?;
            rules.iter().all(|rule| points.contains(&rule.point.as_str())).then(|| Self(rules.into()))
        };
        reader.value_with(&FAULT_INJECTION, parse).unwrap_or_default()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts a hit of `point` and returns its fault. A `kill` does not return; a `delay` has passed on
    /// return.
    pub async fn hit(&self, point: &str) -> Option<Fault> {
        // Every rule counts every hit: the first that applies does not hide the hit from later rules.
        let mut applying = None;
        for rule in self.0.iter().filter(|rule| rule.point == point) {
            let applies = rule.applies();
            applying = applying.or(applies.then_some(rule.action));
        }
        let action = applying?;
        tracing::warn!(point, ?action, "fault injected");
        match action {
            Action::Kill => kill_process(),
            Action::Refuse => Some(Fault::Refused),
            Action::Error => Some(Fault::NoResponse),
            Action::Twice(later) => Some(Fault::Twice(later)),
            Action::Delay(duration) => {
                tokio::time::sleep(duration).await;
                None
            }
        }
    }

    /// The output of `call`, or that of `failed` for a fault before or after it.
    pub async fn around<T>(
        &self,
        step: Step,
        call: impl Future<Output = T>,
        failed: impl Fn(Fault) -> T,
    ) -> T {
        if let Some(fault) = self.hit(step.before).await {
            return failed(fault);
        }
        let output = call.await;
        self.hit(step.after).await.map_or(output, failed)
    }
}

/// Ends this process as a crash does. The system call does not return.
fn kill_process() -> ! {
    // The log says which point was passed.
    crate::telemetry::flush();
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

#[derive(Debug)]
struct Rule {
    point: String,
    action: Action,
    when: When,
    hits: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Kill,
    Refuse,
    Error,
    Delay(Duration),
    Twice(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Hit(u64),
    /// This many of a million hits, chosen by a seed.
    Random {
        per_million: u64,
        seed: u64,
    },
}

impl Rule {
    /// Counts a hit; returns whether the rule applies to it.
    fn applies(&self) -> bool {
        let hit = self.hits.fetch_add(1, Ordering::Relaxed) + 1;
        match self.when {
            When::Always => true,
            When::Hit(nth) => hit == nth,
            When::Random { per_million, seed } => split_mix(seed, hit) % 1_000_000 < per_million,
        }
    }
}

/// The `n`-th number of SplitMix64 with `seed`.
fn split_mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A text that is not a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InvalidRule;

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let (point, rest) = text.split_once('=').ok_or(InvalidRule)?;
        let at = rest.find(['@', '%']).unwrap_or(rest.len());
        let (action, when) = rest.split_at(at);
        let (action, when) = (action.parse()?, when.parse()?);
        let is_after = point.ends_with(".after");
        if is_after && matches!(action, Action::Refuse | Action::Twice(_)) {
            return Err(InvalidRule);
        }
        Ok(Self { point: point.to_owned(), action, when, hits: AtomicU64::new(0) })
    }
}

impl FromStr for Action {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let (name, ms) = text.split_once(':').unzip();
        let ms = ms.map(|ms| ms.parse().map(Duration::from_millis).map_err(|_| InvalidRule)).transpose()?;
        match (name.unwrap_or(text), ms) {
            ("kill", None) => Ok(Self::Kill),
            ("refuse", None) => Ok(Self::Refuse),
            ("error", None) => Ok(Self::Error),
            ("delay", Some(ms)) => Ok(Self::Delay(ms)),
            ("twice", Some(ms)) => Ok(Self::Twice(ms)),
            _ => Err(InvalidRule),
        }
    }
}

impl FromStr for When {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        if text.is_empty() {
            return Ok(Self::Always);
        }
        if let Some(nth) = text.strip_prefix('@') {
            return nth.parse().ok().filter(|nth| *nth > 0).map(Self::Hit).ok_or(InvalidRule);
        }
        let (percent, seed) =
            text.strip_prefix('%').and_then(|text| text.split_once(':')).ok_or(InvalidRule)?;
        let per_million = per_million(percent).ok_or(InvalidRule)?;
        Ok(Self::Random { per_million, seed: seed.parse().map_err(|_| InvalidRule)? })
    }
}

/// Parses a percentage with at most four decimals.
fn per_million(percent: &str) -> Option<u64> {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > 4 || whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let parts = format!("{whole}{fraction:0<4}").parse().ok()?;
    (parts <= 1_000_000).then_some(parts)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("injected fault")
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Vars;

    const STEP: Step = Step { before: "s.before", after: "s.after" };

    fn rules(text: &str) -> Result<FaultRules, String> {
        let vars = Vars::from_iter([(FAULT_INJECTION.name, text)]);
        let mut reader = Reader::new(&vars, &[&[&FAULT_INJECTION]]);
        let rules = FaultRules::read(&mut reader, &[STEP.before, STEP.after]);
        reader.finish(Some(rules)).map_err(|errors| errors.to_string())
    }

    #[test]
    fn malformed_rules_and_unknown_points_are_faults() {
        for bad in [
            "s.before",
            "s.before=",
            "s.before=die",
            "other.before=kill",
            "s.before=kill@0",
            "s.before=kill@x",
            "s.before=delay",
            "s.before=delay:x",
            "s.before=kill:3",
            "s.before=error%5",
            "s.before=error%101:1",
            "s.before=error%0.00001:1",
            "s.after=refuse",
            "s.after=twice:1",
            "s.before=kill,",
        ] {
            let error = rules(bad).expect_err(bad);
            assert!(error.starts_with("FAULT_INJECTION environment variable is invalid: found "), "{error}");
        }
        assert!(rules("").unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_rule_applies_at_its_hit_and_later_rules_count_all_hits() {
        let rules = rules("s.before=refuse@2, s.before=error@3").unwrap();
        let mut faults = Vec::new();
        for _ in 0..4 {
            faults.push(rules.hit("s.before").await);
        }
        assert_eq!(faults, [None, Some(Fault::Refused), Some(Fault::NoResponse), None]);
    }

    #[tokio::test]
    async fn a_step_is_done_unless_it_fails_before() {
        for (text, done, fault) in [
            ("s.before=error", false, Some(Fault::NoResponse)),
            ("s.after=error", true, Some(Fault::NoResponse)),
            ("s.after=error@2", true, None),
        ] {
            let mut did = false;
            let call = async {
                did = true;
                None
            };
            let output = rules(text).unwrap().around(STEP, call, Some).await;
            assert_eq!((did, output), (done, fault), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_no_fault() {
        let started = tokio::time::Instant::now();
        assert_eq!(rules("s.before=delay:1500").unwrap().hit("s.before").await, None);
        assert_eq!(started.elapsed(), Duration::from_millis(1500));
    }

    #[tokio::test]
    async fn a_seed_chooses_the_same_hits_each_time_and_about_the_given_share() {
        let chosen = async |seed: u64| {
            let rules = rules(&format!("s.before=error%2.5:{seed}")).unwrap();
            let mut hits = Vec::new();
            for hit in 0..10_000 {
                if rules.hit("s.before").await.is_some() {
                    hits.push(hit);
                }
            }
            hits
        };
        let (once, again, other) = (chosen(1).await, chosen(1).await, chosen(2).await);
        assert_eq!(once, again);
        assert_ne!(once, other);
        assert!((150..=350).contains(&once.len()), "{}", once.len());
    }
}
