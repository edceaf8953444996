//! Named fail-points: where a test makes a process fail on purpose. In no build but those with the feature
//! `fault-injection`, which only tests of processes switch on.
//!
//! `FAULT_INJECTION` is a comma list of `POINT=ACTION`, and each action may say when: `@3` at the third hit alone,
//! `%2.5:42` at 2.5 % of all hits, drawn from the seed 42; without, at every hit. Of several rules for one point the
//! first that applies wins.
//!
//! | action | meaning |
//! |---|---|
//! | `kill` | SIGKILL of the own process: nothing is flushed, nobody is told |
//! | `refuse` | it is not done, and that is known; only before something |
//! | `error` | before: it is not done, and nobody knows; after: it is done, and its answer is lost |
//! | `delay:1500` | it takes so many milliseconds longer |
//! | `twice:300` | it is done again, so many milliseconds after its end; only where a call can be delivered twice |
//!
//! Which points there are is the business of whoever has them: a name that is none of theirs is refused.

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

use crate::env::Reader;

/// The variable that says which points fail, and how.
pub const VARIABLE: &str = "FAULT_INJECTION";

/// What is accepted in it, after "accepted: ".
const ACCEPTED: &str = "a comma list of POINT=ACTION[@HIT|%PERCENT:SEED], the action one of kill, refuse, error, \
    delay:MS, twice:MS, the point one of this service's";

/// The points at which this process fails. Clones count the same hits.
#[derive(Debug, Clone, Default)]
pub struct FaultRules(Arc<[Rule]>);

/// What is to happen at a point, beyond what has happened there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not done, and that is known.
    Refused,
    /// There is no answer.
    Unanswered,
    /// It is done, and once more so much later.
    Twice(Duration),
}

/// A step that can fail before it is done and after.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The point right before it.
    pub before: &'static str,
    /// The point right after it.
    pub after: &'static str,
}

impl FaultRules {
    /// Reads [`VARIABLE`]; `points` are the names that there are. A fault is recorded in `reader`.
    pub fn read(reader: &mut Reader<'_>, points: &[&str]) -> Self {
        let parse = |text: &str| {
            let rules: Vec<Rule> =
                text.split(',').map(|rule| rule.trim().parse().ok()).collect::<Option<_>>()?;
            rules.iter().all(|rule| points.contains(&rule.point.as_str())).then(|| Self(rules.into()))
        };
        let read = reader.optional_with(VARIABLE, ACCEPTED, crate::env::Secrecy::Public, parse);
        read.unwrap_or_default()
    }

    /// Whether nothing ever fails.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Passes the point: a `kill` does not return, and a `delay` is over when this does.
    pub async fn pass(&self, point: &str) -> Option<Fault> {
        // Every rule counts every hit, so that the first that applies does not hide the hit from the others.
        let mut applying = None;
        for rule in self.0.iter().filter(|rule| rule.point == point) {
            let applies = rule.applies();
            applying = applying.or(applies.then_some(rule.action));
        }
        let action = applying?;
        tracing::warn!(point, ?action, "a fail-point");
        match action {
            Action::Kill => die(),
            Action::Refuse => Some(Fault::Refused),
            Action::Error => Some(Fault::Unanswered),
            Action::Twice(later) => Some(Fault::Twice(later)),
            Action::Delay(duration) => {
                tokio::time::sleep(duration).await;
                None
            }
        }
    }

    /// What `call` comes to, or what `failed` makes of the fault before or after it.
    pub async fn around<T>(
        &self,
        step: Step,
        call: impl Future<Output = T>,
        failed: impl Fn(Fault) -> T,
    ) -> T {
        if let Some(fault) = self.pass(step.before).await {
            return failed(fault);
        }
        let answer = call.await;
        self.pass(step.after).await.map_or(answer, failed)
    }
}

/// Ends this process as a crash would, at once: the system never returns from killing its caller.
fn die() -> ! {
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
    /// So many of a million hits, drawn from a seed.
    Drawn {
        per_million: u64,
        seed: u64,
    },
}

impl Rule {
    /// Counts a hit, and tells whether the rule applies to it.
    fn applies(&self) -> bool {
        let hit = self.hits.fetch_add(1, Ordering::Relaxed) + 1;
        match self.when {
            When::Always => true,
            When::Hit(nth) => hit == nth,
            When::Drawn { per_million, seed } => mixed(seed, hit) % 1_000_000 < per_million,
        }
    }
}

/// The n-th number that a seed gives (SplitMix64).
fn mixed(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A text that is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NoRule;

impl FromStr for Rule {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        let (point, rest) = text.split_once('=').ok_or(NoRule)?;
        let at = rest.find(['@', '%']).unwrap_or(rest.len());
        let (action, when) = rest.split_at(at);
        let (action, when) = (action.parse()?, when.parse()?);
        let is_after = point.ends_with(".after");
        if is_after && matches!(action, Action::Refuse | Action::Twice(_)) {
            return Err(NoRule);
        }
        Ok(Self { point: point.to_owned(), action, when, hits: AtomicU64::new(0) })
    }
}

impl FromStr for Action {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        let (name, ms) = text.split_once(':').unzip();
        let ms = ms.map(|ms| ms.parse().map(Duration::from_millis).map_err(|_| NoRule)).transpose()?;
        match (name.unwrap_or(text), ms) {
            ("kill", None) => Ok(Self::Kill),
            ("refuse", None) => Ok(Self::Refuse),
            ("error", None) => Ok(Self::Error),
            ("delay", Some(ms)) => Ok(Self::Delay(ms)),
            ("twice", Some(ms)) => Ok(Self::Twice(ms)),
            _ => Err(NoRule),
        }
    }
}

impl FromStr for When {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        if text.is_empty() {
            return Ok(Self::Always);
        }
        if let Some(nth) = text.strip_prefix('@') {
            return nth.parse().ok().filter(|nth| *nth > 0).map(Self::Hit).ok_or(NoRule);
        }
        let (percent, seed) = text.strip_prefix('%').and_then(|text| text.split_once(':')).ok_or(NoRule)?;
        let per_million = per_million(percent).ok_or(NoRule)?;
        Ok(Self::Drawn { per_million, seed: seed.parse().map_err(|_| NoRule)? })
    }
}

/// A percentage of at most four decimals.
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
        f.write_str("a fail-point says so")
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Vars;

    const STEP: Step = Step { before: "s.before", after: "s.after" };

    fn points(text: &str) -> Result<FaultRules, String> {
        let vars = Vars::from_iter([(VARIABLE, text)]);
        let mut reader = Reader::new(&vars);
        let points = FaultRules::read(&mut reader, &[STEP.before, STEP.after]);
        reader.finish(Some(points)).map_err(|errors| errors.to_string())
    }

    #[test]
    fn what_is_malformed_or_nobodys_is_refused() {
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
            let told = points(bad).expect_err(bad);
            assert!(told.starts_with("FAULT_INJECTION environment variable is invalid: found "), "{told}");
        }
        assert!(points("").unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_rule_applies_at_its_hit_and_a_later_rule_counts_on() {
        let points = points("s.before=refuse@2, s.before=error@3").unwrap();
        let mut passed = Vec::new();
        for _ in 0..4 {
            passed.push(points.pass("s.before").await);
        }
        assert_eq!(passed, [None, Some(Fault::Refused), Some(Fault::Unanswered), None]);
    }

    #[tokio::test]
    async fn what_fails_before_is_not_done_and_what_fails_after_is() {
        for (text, done, answer) in [
            ("s.before=error", false, Some(Fault::Unanswered)),
            ("s.after=error", true, Some(Fault::Unanswered)),
            ("s.after=error@2", true, None),
        ] {
            let mut did = false;
            let call = async {
                did = true;
                None
            };
            let answered = points(text).unwrap().around(STEP, call, Some).await;
            assert_eq!((did, answered), (done, answer), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_passes_and_fails_nothing() {
        let started = tokio::time::Instant::now();
        assert_eq!(points("s.before=delay:1500").unwrap().pass("s.before").await, None);
        assert_eq!(started.elapsed(), Duration::from_millis(1500));
    }

    #[tokio::test]
    async fn a_seed_draws_the_same_hits_again_and_about_as_many_as_it_should() {
        let drawn = async |seed: u64| {
            let points = points(&format!("s.before=error%2.5:{seed}")).unwrap();
            let mut hits = Vec::new();
            for hit in 0..10_000 {
                if points.pass("s.before").await.is_some() {
                    hits.push(hit);
                }
            }
            hits
        };
        let (once, again, other) = (drawn(1).await, drawn(1).await, drawn(2).await);
        assert_eq!(once, again);
        assert_ne!(once, other);
        assert!((150..=350).contains(&once.len()), "{}", once.len());
    }
}
